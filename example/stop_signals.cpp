#include "stop_signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace example {
namespace {

int checked(int descriptor) {
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "signals cannot be waited for");
  return descriptor;
}

}  // namespace

StopSignals::StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A background process of a script ignores SIGINT: what is ignored is not noticed either.
  std::signal(SIGINT, SIG_DFL);
  signals_ = checked(::signalfd(-1, &set, SFD_CLOEXEC));
  came_event_ = checked(::eventfd(0, EFD_CLOEXEC));
  end_event_ = checked(::eventfd(0, EFD_CLOEXEC));
}

StopSignals::~StopSignals() {
  end();
  for (const int each : {signals_, came_event_, end_event_}) ::close(each);
}

void StopSignals::watch(std::function<void()> on_stop) {
  on_stop_ = std::move(on_stop);
  thread_ = std::thread([this] { run(); });
}

void StopSignals::end() {
  ::eventfd_write(end_event_, 1);
  if (thread_.joinable()) thread_.join();
}

void StopSignals::wait() const {
  pollfd event{came_event_, POLLIN, 0};
  while (::poll(&event, 1, -1) < 0 && errno == EINTR) {
  }
}

void StopSignals::run() {
  pollfd events[] = {{signals_, POLLIN, 0}, {end_event_, POLLIN, 0}};
  while (::poll(events, 2, -1) < 0 && errno == EINTR) {
  }
  if ((events[0].revents & POLLIN) == 0) return;
  came_ = true;
  ::eventfd_write(came_event_, 1);
  on_stop_();
}

}  // namespace example
