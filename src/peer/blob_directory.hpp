// blob_directory.hpp: a directory whose files are named by ids, with the part of each that has come so far beside it.
//
// "<id>" is a whole file and never changes; "<id>.part" is one that is still coming. An id is lower-case hexadecimal,
// so that no name from outside is ever a path, and everything happens relative to the directory that was opened: links
// are not followed, and nothing but regular files of this user is touched. Files have mode 0600.
//
// Threads: one object from any number of threads; a Part has one owner. Two that want the same part, of this process or
// another, are told apart by a lock on the file. Errors: kInvalidArgument (the id; what has its name is no regular
// file, is a link, or belongs to somebody else), kNotFound, kPermissionDenied, kBusy (the part is another's),
// kStorageFull (disk, quota or file size limit), kStorageFailed, kUnavailable (no descriptors left).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/peer/direct_server.hpp"
#include "distri/peer/files.hpp"
#include "distri/utils/hash.hpp"

namespace distri::net {
class Sha256;
}

namespace distri::peer {

inline constexpr std::size_t kBlobIdDigitsMax = 128;

// 1 to kBlobIdDigitsMax digits 0-9 a-f.
Result<> check_blob_id(std::string_view id);

class BlobDirectory {
 public:
  // Of one id, ours alone until it goes. What it holds then stays, to go on from; nothing stays if it is empty.
  class Part {
   public:
    Part(Part&&) noexcept = default;
    Part& operator=(Part&&) = delete;
    ~Part();

    std::uint64_t bytes() const { return bytes_; }
    // Adds all that it holds to `hash`.
    Result<> hash_into(net::Sha256& hash) const;
    // On an error it holds what it held before, or more of it.
    Result<> append(BytesView bytes);
    // Empties it.
    Result<> restart();
    // Makes it the whole file, on the disk when this returns. It takes the place of an earlier one.
    Result<> commit();
    // Removes it.
    void discard();

   private:
    friend class BlobDirectory;
    Part(const BlobDirectory& directory, std::string id, FileDescriptor file, std::uint64_t bytes)
        : directory_(&directory), id_(std::move(id)), file_(std::move(file)), bytes_(bytes) {}
    std::string name() const;

    const BlobDirectory* directory_;
    std::string id_;
    FileDescriptor file_;
    std::uint64_t bytes_;
    bool done_ = false;
  };

  // An existing directory.
  static Result<BlobDirectory> open(const std::string& path);
  // One for this user alone, made where it is not there (make_private_directory).
  static Result<BlobDirectory> make(const std::string& path);
  // One that is open. `path`: for messages.
  BlobDirectory(std::string path, FileDescriptor directory)
      : path_(std::move(path)), directory_(std::move(directory)) {}

  // The length of the whole file; nothing: it is not there.
  Result<std::optional<std::uint64_t>> bytes_of(std::string_view id) const;
  // SHA-256 of the whole file. kNotFound.
  Result<Hash256> digest_of(std::string_view id) const;
  // Opens it, or begins it. The directory outlives the part.
  Result<Part> part_of(std::string_view id) const;
  // Makes `pieces`, one after another, the whole file, as a part that is filled and committed. After an error the
  // earlier file is there, or (kStorageFailed of the last step) this one.
  Result<> write(std::string_view id, std::initializer_list<BytesView> pieces) const;
  // The whole file and the part, durable when this returns; not there is no error.
  Result<> remove(std::string_view id) const;
  // The whole file, for reading. kNotFound.
  Result<OpenFile> open_whole(std::string_view id) const;
  // What is there, by id. Other files are not in it. kTooLarge: more than `names_max` files.
  struct Listing {
    std::vector<std::string> whole, parts;
  };
  Result<Listing> list(std::size_t names_max) const;
  // For messages.
  std::string full_name(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;  // for messages
  FileDescriptor directory_;
};

// The serving side: the bytes of a whole file from `offset` on, as long as it is now, read as they are asked for. Does
// not need the directory any more. Errors: kNotFound; kInvalidArgument when `offset` is beyond the end; while it is
// read kDataLoss when the file has become shorter, kStorageFailed.
Result<Producer> file_source(const BlobDirectory& directory, std::string_view id, std::uint64_t offset);

}  // namespace distri::peer
