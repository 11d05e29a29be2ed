#include "new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace example {

using distri::Code;
using distri::Result;

Result<NewFile> NewFile::create(std::string path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor >= 0) return NewFile(std::move(path), descriptor);
  if (errno == EEXIST) {
    return distri::fail(Code::kAlreadyExists, "'{}' is there already and is not written over; name a new file", path);
  }
  return distri::fail(Code::kInvalidArgument, "'{}' cannot be made ({}); name a file in a folder you may write to",
                      path, std::strerror(errno));
}

NewFile::~NewFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!keep_) ::unlink(path_.c_str());
}

Result<> NewFile::write(distri::BytesView bytes) {
  std::size_t done = 0;
  bool good = true;
  while (good && done < bytes.size()) {
    const auto wrote = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (wrote > 0) done += static_cast<std::size_t>(wrote);
    good = wrote > 0 || (wrote < 0 && errno == EINTR);
  }
  good = good && ::fsync(descriptor_) == 0;
  if (!good) {
    return distri::fail(errno == ENOSPC || errno == EDQUOT ? Code::kStorageFull : Code::kStorageFailed,
                        "'{}' cannot be written ({}); make room, or name another place", path_, std::strerror(errno));
  }
  keep_ = true;
  return {};
}

}  // namespace example
