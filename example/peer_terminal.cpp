// peer_terminal.cpp: a peer with a screen of its own: joins its parts until the user quits, a signal comes or the
// terminal is gone.
#include "peer_terminal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>

#include "distri/peer/files.hpp"
#include "latency.hpp"
#include "peer_actions.hpp"
#include "peer_setup.hpp"
#include "peer_text.hpp"
#include "peer_work.hpp"
#include "stop_signals.hpp"
#include "terminal.hpp"
#include "terminal_picture.hpp"
#include "terminal_text.hpp"

namespace example {
namespace {

using distri::Code;
using distri::Result;
using distri::peer::Peer;
using distri::peer::PeerEvent;

// What changes without an event (how much is to be told, what others offer) is looked at so often.
constexpr int kLookAtLists_ms = 500;
constexpr std::int64_t kLookAtCatalog_ms = 2'000;
constexpr auto kLeaveWithin = std::chrono::seconds(3);

// ---- The system

// SIGWINCH and SIGHUP as something to poll; like StopSignals, made before threads start.
class TerminalSignals {
 public:
  TerminalSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    descriptor_ = distri::peer::FileDescriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  int descriptor() const { return descriptor_.get(); }
  // Whether the size has changed, and whether the terminal is gone.
  void take(bool& resized, bool& gone) const {
    signalfd_siginfo info;
    while (::read(descriptor_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      (info.ssi_signo == SIGHUP ? gone : resized) = true;
    }
  }

 private:
  distri::peer::FileDescriptor descriptor_;
};

// While a screen is shown, what others write to standard error goes into a file, unless it goes elsewhere already.
class ErrorsToFile {
 public:
  explicit ErrorsToFile(const std::string& path) {
    if (::isatty(STDERR_FILENO) == 0) return;
    const distri::peer::FileDescriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    const distri::peer::FileDescriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    before_ = distri::peer::FileDescriptor(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    ::dup2(file ? file.get() : nowhere.get(), STDERR_FILENO);
  }
  ~ErrorsToFile() {
    if (before_) ::dup2(before_.get(), STDERR_FILENO);
  }
  ErrorsToFile(const ErrorsToFile&) = delete;
  ErrorsToFile& operator=(const ErrorsToFile&) = delete;

 private:
  distri::peer::FileDescriptor before_;
};

// ---- The program

class PeerTerminal {
 public:
  PeerTerminal(Terminal& terminal, PeerScreen::Self self, PeerWork& work, PictureChoice pictures)
      : terminal_(terminal), screen_(std::move(self)), work_(work), pictures_(pictures) {}

  // Until the user quits, or one of the descriptors says so.
  void run(const StopSignals& stop, const TerminalSignals& signals, int wake) {
    bool gone = false;
    work_.catalog_due();
    while (!gone && !quit_ && !stop.came()) {
      take_arrived();
      show();
      pollfd events[] = {{STDIN_FILENO, POLLIN, 0},
                         {stop.descriptor(), POLLIN, 0},
                         {signals.descriptor(), POLLIN, 0},
                         {wake, POLLIN, 0}};
      if (::poll(events, 4, kLookAtLists_ms) < 0 && errno != EINTR) return;
      eventfd_t times = 0;
      if (events[3].revents != 0) ::eventfd_read(wake, &times);
      bool resized = false;
      if (events[2].revents != 0) signals.take(resized, gone);
      if (resized) terminal_.fit();
      if ((events[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return;
      if (events[0].revents != 0) take_keys();
    }
  }

 private:
  void take_arrived() {
    PeerWork::Arrived arrived = work_.take();
    const bool anything = arrived.progress || arrived.catalog || !arrived.news.empty() || !arrived.outcomes.empty();
    for (auto& each : arrived.news) screen_.news(std::move(each));
    if (arrived.progress) screen_.progress(*std::move(arrived.progress));
    for (const auto& each : arrived.outcomes) screen_.outcome(each);
    if (arrived.catalog) screen_.catalog(*std::move(arrived.catalog));
    if (anything || us_since(last_lists_) / 1000 >= kLookAtLists_ms) {
      screen_.lists(work_.lists());
      last_lists_ = now();
    }
    if (us_since(last_catalog_) / 1000 < kLookAtCatalog_ms) return;
    last_catalog_ = now();
    work_.catalog_due();
  }

  void take_keys() {
    for (const Key& each : terminal_.keys()) screen_.key(each);
    while (const auto command = screen_.take_command()) {
      if (command->kind == PeerCommand::Kind::kQuit) {
        quit_ = true;
      } else {
        work_.put(*command);
      }
    }
  }

  void show() {
    screen_.resize(terminal_.size().rows, terminal_.size().columns);
    Grid grid = screen_.draw();
    terminal_.show(grid, picture(grid));
  }

  // Made once for each picture, place and form.
  std::string_view picture(Grid& grid) {
    const auto& open = screen_.picture();
    const PictureBox& box = screen_.picture_box();
    if (!open || !open->pixels || box.rows < 1) {
      drawn_ = {};
      return {};
    }
    const PictureForm form = picture_form(pictures_, terminal_.draws_sixels());
    if (form == PictureForm::kNone) {
      grid.put(box.row, box.column,
               pictures_ == PictureChoice::kNone ? "(--pictures none: it is not drawn here)"
                                                 : "(this terminal draws no pictures; s saves it)",
               Style::kDim);
    }
    const bool same = drawn_.picture == open && drawn_.form == form && drawn_.box.rows == box.rows &&
                      drawn_.box.columns == box.columns && drawn_.box.row == box.row;
    if (!same) draw_picture(form, box);
    grid.put(box.row, box.column, drawn_.wrong, Style::kError);
    return drawn_.bytes;
  }

  void draw_picture(PictureForm form, const PictureBox& box) {
    const auto& open = screen_.picture();
    terminal_.redraw();
    const auto bytes = picture_bytes(*open->pixels, form, box, terminal_.size());
    drawn_ = {open, form, box, bytes ? *bytes : "", bytes ? "" : bytes.error().message};
  }

  struct Drawn {
    std::shared_ptr<const OpenPicture> picture;
    PictureForm form = PictureForm::kNone;
    PictureBox box;
    std::string bytes;
    std::string wrong;
  };

  Terminal& terminal_;
  PeerScreen screen_;
  PeerWork& work_;
  const PictureChoice pictures_;
  Drawn drawn_;
  Moment last_lists_{};
  Moment last_catalog_ = now();
  bool quit_ = false;
};

// Whether the screen was left, after a signal to stop.
class ScreenLeft {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    left_ = true;
    changed_.notify_all();
  }
  // A terminal that takes nothing any more would hold this program up for good.
  void wait_or_exit() {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kLeaveWithin, [&] { return left_; })) return;
    Terminal::leave_at_once();
    ::_exit(kExitFailed);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool left_ = false;
};

// Nothing calls anything any more, in an order in which nothing waits for long.
struct AllEnds {
  ScreenLeft& screen;
  StopSignals& stop;
  Peer& peer;
  PeerWork& work;
  ~AllEnds() {
    screen.set();
    stop.end();
    peer.stop();
    work.stop();
  }
};

Result<> check_options(const Options& options) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) {
    return distri::fail(Code::kInvalidArgument,
                        "--do is missing: say what to do, one of {}; without it standard input and output must be a "
                        "terminal (scripts use --do listen, which reads actions from standard input)",
                        action_names());
  }
  if (!options.peer.flags.empty()) {
    return distri::fail(Code::kInvalidArgument, "--{} goes with --do; leave it out, or say what to do",
                        options.peer.flags.begin()->first);
  }
  if (options.peer.as_json) {
    return distri::fail(Code::kInvalidArgument, "--format json goes with --do; leave it out, or say what to do");
  }
  return {};
}

}  // namespace

Result<int> run_peer_terminal(const Options& options) {
  DISTRI_TRY_VOID(check_options(options));
  DISTRI_TRY(auto made, peer_options(options));
  const auto pictures = parse_picture_choice(options.peer.pictures);
  if (!pictures) return distri::fail(pictures.error().code, "--pictures: {}", pictures.error().message);
  use_locale_of_terminal();
  StopSignals stop;
  const TerminalSignals signals;
  const distri::peer::FileDescriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake || signals.descriptor() < 0) {
    return distri::fail(Code::kUnavailable, "the system has no descriptors left; close other programs");
  }
  const std::string data_directory = made.data_directory;
  std::unique_ptr<Peer> peer;
  std::unique_ptr<PeerWork> work;
  made.on_event = [&](const PeerEvent& event) {
    std::string sentence = event_text(event_json(event, name_of(*peer, event.user)));
    while (sentence.ends_with('\n')) sentence.pop_back();
    work->news(std::move(sentence));
    work->catalog_due();
  };
  DISTRI_TRY(peer, open_peer(std::move(made)));
  work = std::make_unique<PeerWork>(
      *peer, PeerWork::Settings{options.peer.directory, data_directory, [&] { ::eventfd_write(wake.get(), 1); }});
  DISTRI_TRY_VOID(start_peer(*peer, options));
  for (const auto& [name, why] : peer->left_out()) {
    work->news(fmt::format("* {} is not offered: {}", name, why.message));
  }
  ScreenLeft screen;
  const AllEnds ends{screen, stop, *peer, *work};
  DISTRI_TRY(const auto terminal, Terminal::open());
  const ErrorsToFile errors(data_directory + "/terminal.log");
  stop.watch([&] {
    peer->stop();
    screen.wait_or_exit();
  });
  PeerTerminal program(*terminal,
                       {options.peer.identifier, peer->id().hex(), distri::to_string(peer->address()),
                        !options.peer.directory.empty(), DesktopViewer::available()},
                       *work, *pictures);
  program.run(stop, signals, wake.get());
  return kExitOk;
}

}  // namespace example
