// files.hpp: files and directories as peers open them: relative to a directory that is open, without following links,
// and nothing but regular files.
//
// What blob_directory.hpp, book_store.hpp and published_directory.hpp have in common. `what` is the file's name for
// messages. Threads: any. Errors of all: kInvalidArgument (a link, no regular file, somebody else's), kNotFound,
// kPermissionDenied, kStorageFull (disk, quota or file size limit), kStorageFailed, kUnavailable (no descriptors left).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "distri/utils/bytes.hpp"

namespace distri::peer {

// An open file, closed with it.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// A regular file, for reading, and its length when it was opened.
struct OpenFile {
  FileDescriptor descriptor;
  std::uint64_t bytes = 0;
};

// By what it is noticed that a file, or what stands under its name, has changed.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, bytes = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;  // Unix time; the second is the system's and nobody can set it
  bool operator==(const FileStamp&) const = default;
};

// The error of a system call, as a sentence that says what to do.
std::unexpected<Error> file_error(const std::string& what, int number);

// The length of a regular file; kInvalidArgument for anything else.
Result<std::uint64_t> regular_bytes(const std::string& what, const FileDescriptor& file);

// `name` in `directory`. A pipe or device is refused, not waited for.
Result<OpenFile> open_regular(const FileDescriptor& directory, const std::string& name, const std::string& what);

// Of a regular file; kInvalidArgument for anything else, kNotFound for one that has no name any more.
Result<FileStamp> stamp_of(const std::string& what, const FileDescriptor& file);
// Of what stands under a name, without opening it.
Result<FileStamp> stamp_of(const FileDescriptor& directory, const std::string& name, const std::string& what);

// That it is this user's, and that nobody else may get at it: kInvalidArgument, kPermissionDenied.
Result<> check_private(const std::string& what, const FileDescriptor& file);

// A directory of this user alone (check_private). Made with mode 0700, and on the disk when this returns, where it is
// not there; its parent has to be.
Result<FileDescriptor> make_private_directory(const std::string& path);
// The same of `name` in `parent`.
Result<FileDescriptor> make_private_directory(const FileDescriptor& parent, const std::string& name,
                                              const std::string& what);
// An existing one. kNotFound.
Result<FileDescriptor> open_private_directory(const FileDescriptor& parent, const std::string& name,
                                              const std::string& what);

// Up to `size` bytes at `offset`, and how many; fewer only at the end of the file.
Result<std::size_t> read_at(const std::string& what, const FileDescriptor& file, std::uint64_t offset, char* to,
                            std::size_t size);
Result<Bytes> read_at(const std::string& what, const FileDescriptor& file, std::uint64_t offset, std::size_t size);

// The names of all that is in it but "." and "..", in order. kTooLarge: more than `names_max`.
Result<std::vector<std::string>> names_in(const FileDescriptor& directory, const std::string& what,
                                          std::size_t names_max);

}  // namespace distri::peer
