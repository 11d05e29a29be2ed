// published_directory.hpp: a directory whose image files are what a user offers.
//
// What is offered: regular files, directly in it, whose names check_resource_name() accepts and do not begin with a
// dot, with the header of an image within services::ImageLimits. Whether an image decodes shows when it is sealed.
// Links are not followed, sub-directories not looked into; other users' files and files with several names are as good
// as any.
//
// scan() reads what changed since the scan before (length, modification and change time in ns, inode) and keeps what it
// knows of the rest. A file that was changed less than kTrustedAfterMs before it was read may change again without a
// sign of it, where clocks of file systems are coarse: the next scan reads it again. Memory: what is known of
// kPublishedFilesMax files, and one file while it is read: a piece of it, mostly, or all (at most
// ImageLimits::image_bytes_max) where its header does not lie at the beginning, as in some TIFF files.
//
// Changes are noticed by inotify. It does not see what other machines do in a directory of a network: who wants that
// noticed scans from time to time as well.
//
// Threads: scan() and wait() one at a time; read() and wake() any, at any time. Moving: nobody is inside. Errors:
// kNotFound (the directory is gone, or another has its name), kInvalidArgument (no directory), kPermissionDenied,
// kTooLarge (more than kPublishedEntriesMax names in it), kUnavailable (the system has no descriptors or inotify
// watches left), kStorageFailed.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "distri/peer/files.hpp"
#include "distri/utils/hash.hpp"

namespace distri::peer {

struct PublishedFile {
  std::string name;
  std::uint64_t bytes = 0;
  Hash256 digest{};              // SHA-256 of the file
  std::string kind;              // "jpeg", "png", "webp", "bmp" or "tiff"
  std::uint32_t width = 0;       // pixels, 1 to kPixelsMax
  std::uint32_t height = 0;      // the same
  std::int64_t modified_ms = 0;  // Unix time
  bool operator==(const PublishedFile&) const = default;
};

class PublishedDirectory {
 public:
  // An existing directory, which a link may lead to. From here on that directory and no other: when another takes its
  // place, scan() says so.
  static Result<PublishedDirectory> open(const std::string& path);
  const std::string& path() const { return path_; }

  struct Scan {
    // All there now, by name; of more than kPublishedFilesMax the first.
    std::vector<PublishedFile> files;
    // What is there and is not offered, by name, and why. Codes: kInvalidArgument (no image, empty, a link, a
    // directory, hidden, a name that is refused), kTooLarge (file, picture, or one file too many), kPermissionDenied,
    // kUnavailable (it is still being written: the next scan takes it), kStorageFailed. Names are for showing: what
    // could not be printed is in the form \xNN.
    std::vector<std::pair<std::string, Error>> left_out;
  };
  // An error says nothing of the files: what was offered stays so until a scan succeeds. `cancelled` is asked before
  // each file, as a first scan of many takes minutes; then the error is kCancelled, and what was read is not read
  // again.
  Result<Scan> scan(const std::function<bool()>& cancelled = {});

  // The whole file, as it is now: the caller holds its digest against the one he offered. Errors: kInvalidArgument (a
  // name that scan() would refuse; a link; not a regular file), kNotFound, kTooLarge, kPermissionDenied, kUnavailable
  // (it is being written), kStorageFailed.
  Result<Bytes> read(std::string_view name) const;

  // Waits until something may have changed (true), or for `timeout`, or for wake() (false). A wake() before it counts.
  // Changes that follow one another are gathered: it returns when none has come for kSettleMs, and kGatherMaxMs after
  // the first at the latest, which can be so much after `timeout`; at once when it is woken meanwhile. At most a day.
  bool wait(std::chrono::milliseconds timeout);
  void wake();

 private:
  // What is in one file, as far as that follows from its bytes.
  struct Known {
    FileStamp stamp;
    bool trusted = false;  // it had been left alone long enough
    Result<PublishedFile> content;
  };
  struct Came {
    bool change = false, woken = false;
  };

  explicit PublishedDirectory(std::string path) : path_(std::move(path)) {}
  Result<> check_there() const;
  static Result<PublishedFile> one_too_many();
  Result<PublishedFile> look_at(const std::string& name, std::map<std::string, Known>& now) const;
  Came wait_once(std::chrono::milliseconds timeout);

  std::string path_;
  FileDescriptor directory_;
  FileDescriptor changes_;  // inotify
  FileDescriptor wake_;     // eventfd
  std::map<std::string, Known> known_;
};

}  // namespace distri::peer
