#include "distri/utils/key_file.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "distri/utils/random.hpp"

namespace distri {
namespace {

constexpr std::string_view kMagic = "distri-key-v1 ";
constexpr std::size_t kLineBytes = kMagic.size() + 2 * kSeedBytes + 1;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_;
};

// Text that held a secret.
struct Wiped {
  Bytes text;
  ~Wiped() { sodium_memzero(text.data(), text.size()); }
};

std::string reason(int number) {
  return std::strerror(number);
}

std::unexpected<Error> cannot_write(const std::string& path, int number) {
  switch (number) {
    case EEXIST:
      return fail(Code::kAlreadyExists,
                  "key file {} exists already and is not overwritten; choose another name, or move it away first",
                  path);
    case ENOENT:
    case ENOTDIR:
      return fail(Code::kNotFound, "key file {} cannot be made: its folder does not exist; make the folder first",
                  path);
    case EACCES:
    case EPERM:
    case EROFS:
      return fail(Code::kPermissionDenied,
                  "key file {} cannot be made ({}); choose a folder that this user may write to", path, reason(number));
    case ENOSPC:
    case EDQUOT:
      return fail(Code::kStorageFull, "key file {} cannot be made ({}); make room on the disk", path, reason(number));
    default:
      return fail(Code::kStorageFailed, "key file {} cannot be made: {}; check the disk", path, reason(number));
  }
}

// 0, or the errno.
int write_all(int descriptor, BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(descriptor, bytes.data(), bytes.size());
    if (size < 0 && errno != EINTR) return errno;
    if (size > 0) bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return 0;
}

// A new file with these bytes, on the disk; 0, or the errno, and then no file.
int write_new(const std::string& temporary, BytesView bytes) {
  const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return errno;
  int error = ::fchmod(file.get(), 0600) != 0 ? errno : 0;
  if (error == 0) error = write_all(file.get(), bytes);
  if (error == 0 && ::fsync(file.get()) != 0) error = errno;
  if (error != 0) ::unlink(temporary.c_str());
  return error;
}

int sync_folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) != 0) return errno;
  return 0;
}

std::unexpected<Error> cannot_read(const std::string& path, int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return fail(Code::kNotFound, "key file {} does not exist; check the name, or make a new key", path);
    case EACCES:
    case EPERM:
      return fail(Code::kPermissionDenied,
                  "key file {} may not be read by this user; run as its owner, or give it to this user (chown)", path);
    case ELOOP:
      return fail(Code::kInvalidArgument, "key file {} is a symbolic link, which is not followed; name the file itself",
                  path);
    default:
      return fail(Code::kStorageFailed, "key file {} cannot be read: {}; check the disk", path, reason(number));
  }
}

Result<> check_owner(const std::string& path, int descriptor) {
  struct stat found{};
  if (::fstat(descriptor, &found) != 0) return cannot_read(path, errno);
  if (!S_ISREG(found.st_mode)) {
    return fail(Code::kInvalidArgument, "key file {} is not a regular file; name the file that holds the key", path);
  }
  if ((found.st_mode & 077) != 0) {
    return fail(Code::kPermissionDenied,
                "key file {} has mode {:04o}, so that others than its owner can get at the key; if nobody has, run "
                "chmod 600 on it, otherwise make a new key",
                path, found.st_mode & 07777);
  }
  if (found.st_uid != ::geteuid() && found.st_uid != 0) {
    return fail(Code::kPermissionDenied,
                "key file {} belongs to another user; run as its owner, or chown it to this user", path);
  }
  return {};
}

}  // namespace

Result<> write_key_file(const std::string& path, const SigningKey& key) {
  Wiped line;
  line.text.reserve(kLineBytes);  // no copy of it is left behind by growing
  {
    Wiped digits{to_hex(key.seed())};
    line.text.append(kMagic).append(digits.text).push_back('\n');
  }
  // A hard link appears at once, and never in the place of something else.
  auto random = Random::from_system();
  const std::string temporary = path + ".new-" + random.id<RequestId>().short_hex();
  if (const int error = write_new(temporary, line.text)) return cannot_write(path, error);
  const int error = ::link(temporary.c_str(), path.c_str()) != 0 ? errno : 0;
  ::unlink(temporary.c_str());
  if (error != 0) return cannot_write(path, error);
  if (const int not_synced = sync_folder_of(path)) return cannot_write(path, not_synced);
  return {};
}

Result<SigningKey> read_key_file(const std::string& path) {
  // Not blocking: a pipe of that name is refused, not waited for.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return cannot_read(path, errno);
  DISTRI_TRY_VOID(check_owner(path, file.get()));
  Wiped line{Bytes(kLineBytes + 1, '\0')};
  std::size_t size = 0;
  while (size < line.text.size()) {
    const ssize_t got = ::read(file.get(), line.text.data() + size, line.text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_read(path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  BytesView text(line.text.data(), size);
  if (text.ends_with('\n')) text.remove_suffix(1);
  const bool marked = text.starts_with(kMagic);
  if (marked) text.remove_prefix(kMagic.size());
  if (marked && text.size() == 2 * kSeedBytes) {
    if (auto seed = from_hex(text)) {
      const Wiped held{std::move(*seed)};
      return SigningKey::from_seed(held.text);
    }
  }
  return fail(Code::kInvalidArgument,
              "key file {} is not a key: it must be one line, \"distri-key-v1 \" and 64 hexadecimal digits; restore it "
              "from a copy, or make a new key",
              path);
}

}  // namespace distri
