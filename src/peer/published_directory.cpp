#include "distri/peer/published_directory.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "distri/peer/limits.hpp"
#include "distri/peer/offered_file.hpp"
#include "distri/utils/clock.hpp"

namespace distri::peer {
namespace {

using Milliseconds = std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr std::int64_t kNanosecondsPerMs = 1'000'000;
// Longer waits end early, as one that was woken does.
constexpr Milliseconds kWaitMax = std::chrono::hours(24);

Result<FileDescriptor> watch_of(const std::string& path) {
  constexpr std::uint32_t kChanges = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM |
                                     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
  const auto exhausted = [&path](std::string_view limits) {
    return fail(Code::kUnavailable, "{} cannot be watched for changes: {} is reached; raise it", path, limits);
  };
  FileDescriptor watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch && errno == EMFILE) return exhausted("the limit fs.inotify.max_user_instances or that on open files");
  if (!watch) return file_error(path, errno);
  if (::inotify_add_watch(watch.get(), path.c_str(), kChanges | IN_ONLYDIR) >= 0) return watch;
  if (errno == ENOSPC) return exhausted("the limit fs.inotify.max_user_watches");
  return file_error(path, errno);
}

Result<FileDescriptor> open_directory(const std::string& path) {
  FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) return directory;
  const int number = errno;
  struct stat found{};
  if (number == ENOTDIR && ::stat(path.c_str(), &found) == 0) {
    return fail(Code::kInvalidArgument, "{} is not a directory; publish the directory that the images are in", path);
  }
  if (number != EACCES) return file_error(path, number);
  return fail(Code::kPermissionDenied, "{} may not be read by this user; allow it (chmod u+rx), or publish another",
              path);
}

// All that has come is taken; false: nothing has.
bool drain(const FileDescriptor& file) {
  alignas(inotify_event) std::array<char, 16u << 10> buffer;
  bool any = false;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return any;
    any = true;
  }
}

}  // namespace

Result<PublishedDirectory> PublishedDirectory::open(const std::string& path) {
  if (path.empty()) return fail(Code::kInvalidArgument, "the directory to publish: the path is empty");
  std::error_code error;
  // The process may go to another working directory.
  PublishedDirectory result(std::filesystem::absolute(path, error));
  if (error) return file_error(path, error.value());
  DISTRI_TRY(result.directory_, open_directory(result.path_));
  DISTRI_TRY(result.changes_, watch_of(result.path_));
  result.wake_ = FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!result.wake_) return file_error(path, errno);
  // What was opened is what is watched.
  DISTRI_TRY_VOID(result.check_there());
  return result;
}

Result<> PublishedDirectory::check_there() const {
  struct stat named{}, opened{};
  if (::fstat(directory_.get(), &opened) != 0) return file_error(path_, errno);
  const bool found = ::stat(path_.c_str(), &named) == 0;
  if (!found && errno != ENOENT && errno != ENOTDIR) return file_error(path_, errno);
  if (found && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino) return {};
  return fail(Code::kNotFound, "{} is not the directory any more that was published: it was {}; publish it again",
              path_, found ? "replaced by another" : "removed or renamed");
}

// ---- Scanning.

Result<PublishedDirectory::Scan> PublishedDirectory::scan(const std::function<bool()>& cancelled) {
  DISTRI_TRY_VOID(check_there());
  DISTRI_TRY(const auto names, names_in(directory_, path_, kPublishedEntriesMax));
  std::map<std::string, Known> now;
  Scan scan;
  for (const std::string& name : names) {
    if (cancelled && cancelled()) {
      now.merge(known_);
      known_ = std::move(now);
      return fail(Code::kCancelled, "the scan of {} was cancelled", path_);
    }
    Result<PublishedFile> file = scan.files.size() < kPublishedFilesMax ? look_at(name, now) : one_too_many();
    if (file) {
      scan.files.push_back(*std::move(file));
    } else if (file.error().code != Code::kNotFound) {  // it went meanwhile
      scan.left_out.emplace_back(printable(name), std::move(file).error());
    }
  }
  known_ = std::move(now);
  return scan;
}

Result<PublishedFile> PublishedDirectory::one_too_many() {
  return fail(Code::kTooLarge, "{} images are offered already, which is the limit for one directory; publish another",
              kPublishedFilesMax);
}

// Adds what is known of it to `now`.
Result<PublishedFile> PublishedDirectory::look_at(const std::string& name, std::map<std::string, Known>& now) const {
  DISTRI_TRY_VOID(check_offered_name(name));
  DISTRI_TRY(const FileStamp stamp, offered_stamp(directory_, name));
  const auto before = known_.find(name);
  if (before != known_.end() && before->second.trusted && before->second.stamp == stamp) {
    return now.insert(*before).first->second.content;
  }
  const std::int64_t begun_ms = SystemClock().wall_ms();
  DISTRI_TRY(Inspected inspected, inspect_offered(directory_, name));
  if (inspected.content) {
    inspected.content->name = name;
    inspected.content->modified_ms =
        std::clamp<std::int64_t>(inspected.stamp.modified_ns / kNanosecondsPerMs, 0, kTimeMsMax);
  }
  const bool trusted = inspected.stamp.changed_ns / kNanosecondsPerMs + kTrustedAfterMs < begun_ms;
  return now.insert_or_assign(name, Known{inspected.stamp, trusted, std::move(inspected.content)})
      .first->second.content;
}

Result<Bytes> PublishedDirectory::read(std::string_view name) const {
  DISTRI_TRY_VOID(check_offered_name(name));
  auto bytes = read_offered(directory_, std::string(name));
  if (!bytes) return fail(bytes.error().code, "{}: {}", name, bytes.error().message);
  return bytes;
}

// ---- Waiting.

PublishedDirectory::Came PublishedDirectory::wait_once(Milliseconds timeout) {
  std::array<pollfd, 2> polled{{{changes_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
  const auto end = Steady::now() + std::clamp(timeout, Milliseconds(0), kWaitMax);
  for (;;) {
    const auto left = std::chrono::ceil<Milliseconds>(end - Steady::now());
    const int ready = ::poll(polled.data(), polled.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    const bool change = drain(changes_);
    const bool woken = drain(wake_);
    return {change, woken};
  }
}

bool PublishedDirectory::wait(Milliseconds timeout) {
  Came came = wait_once(timeout);
  const bool changed = came.change;
  const auto end = Steady::now() + Milliseconds(kGatherMaxMs);
  while (came.change && !came.woken) {
    const auto left = std::chrono::ceil<Milliseconds>(end - Steady::now());
    if (left <= Milliseconds(0)) break;
    came = wait_once(std::min(left, Milliseconds(kSettleMs)));
  }
  return changed;
}

void PublishedDirectory::wake() {
  ::eventfd_write(wake_.get(), 1);
}

}  // namespace distri::peer
