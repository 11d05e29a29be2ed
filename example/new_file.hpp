// new_file.hpp: a file that was not there before and is for its user alone (mode 0600).
//
// Made first, so that what is dear is not spent when there is no place for it; gone again unless it was written.
// Threads: one. Errors: kAlreadyExists, kInvalidArgument (no such folder, no right), kStorageFull, kStorageFailed.
#pragma once

#include <string>
#include <utility>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace example {

class NewFile {
 public:
  static distri::Result<NewFile> create(std::string path);
  NewFile(NewFile&& other) noexcept
      : path_(std::move(other.path_)),
        descriptor_(std::exchange(other.descriptor_, -1)),
        keep_(std::exchange(other.keep_, true)) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  // All of it, on the disk when this returns. Once.
  distri::Result<> write(distri::BytesView bytes);

 private:
  NewFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_ = -1;
  bool keep_ = false;
};

}  // namespace example
