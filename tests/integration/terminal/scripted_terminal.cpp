#include "scripted_terminal.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

namespace {

constexpr auto kPatience = std::chrono::seconds(60);
constexpr int kPoll_ms = 20;

std::vector<ScriptedTerminal*>& all() {
  static std::vector<ScriptedTerminal*> terminals;
  return terminals;
}

std::string utf8(std::uint32_t c) {
  std::string text;
  if (c < 0x80) return std::string(1, static_cast<char>(c));
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  text += static_cast<char>((0xff00u >> (more + 1) & 0xff) | c >> (6 * more));
  for (int i = more - 1; i >= 0; --i) text += static_cast<char>(0x80 | (c >> (6 * i) & 0x3f));
  return text;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& each : texts) result.push_back(const_cast<char*>(each.c_str()));
  result.push_back(nullptr);
  return result;
}

// The terminal becomes its controlling one, as the first that a leader of a session opens.
pid_t spawn(const std::vector<std::string>& command, const std::vector<std::string>& environment,
            const std::string& terminal) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  for (const int each : {0, 1, 2}) ::posix_spawn_file_actions_addopen(&actions, each, terminal.c_str(), O_RDWR, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  const auto arguments = pointers(command), variables = pointers(environment);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, arguments[0], &actions, &attributes, arguments.data(), variables.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  REQUIRE(error == 0);
  return pid;
}

}  // namespace

ScriptedTerminal::ScriptedTerminal(Options options) : options_(std::move(options)) {
  vterm_ = vterm_new(options_.rows, options_.columns);
  vterm_set_utf8(vterm_, 1);
  vterm_output_set_callback(
      vterm_,
      [](const char* bytes, std::size_t size, void* self) {
        static_cast<ScriptedTerminal*>(self)->answer({bytes, size});
      },
      this);
  screen_ = vterm_obtain_screen(vterm_);
  callbacks_.settermprop = [](VTermProp property, VTermValue* value, void* self) {
    auto& terminal = *static_cast<ScriptedTerminal*>(self);
    if (property == VTERM_PROP_ALTSCREEN) terminal.own_screen_ = value->boolean != 0;
    if (property == VTERM_PROP_CURSORVISIBLE) terminal.cursor_visible_ = value->boolean != 0;
    return 1;
  };
  vterm_screen_set_callbacks(screen_, &callbacks_, this);
  vterm_screen_enable_altscreen(screen_, 1);
  vterm_screen_reset(screen_, 1);

  master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  REQUIRE(master_ >= 0);
  REQUIRE(::grantpt(master_) == 0);
  REQUIRE(::unlockpt(master_) == 0);
  const std::string name = ::ptsname(master_);
  slave_ = ::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(slave_ >= 0);
  const winsize size{static_cast<unsigned short>(options_.rows), static_cast<unsigned short>(options_.columns), 0, 0};
  REQUIRE(::ioctl(slave_, TIOCSWINSZ, &size) == 0);
  auto environment = options_.environment;
  for (const char* each : {"PATH", "HOME"}) {
    const char* value = std::getenv(each);
    const auto given = [&](const std::string& variable) { return variable.starts_with(std::string(each) + "="); };
    if (value != nullptr && std::ranges::none_of(environment, given)) {
      environment.push_back(std::string(each) + "=" + value);
    }
  }
  pid_ = spawn(options_.command, environment, name);
  all().push_back(this);
}

ScriptedTerminal::~ScriptedTerminal() {
  std::erase(all(), this);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(slave_);
  ::close(master_);
  vterm_free(vterm_);
}

// ---- What it gets

void ScriptedTerminal::answer(std::string_view bytes) {
  if (options_.draws_sixels && bytes == "\033[?1;2c") bytes = "\033[?62;4;22c";
  type(bytes);
}

void ScriptedTerminal::type(std::string_view text) {
  while (!text.empty()) {
    const auto wrote = ::write(master_, text.data(), text.size());
    if (wrote < 0) {
      REQUIRE(errno == EAGAIN);
      pump(kPoll_ms);
      continue;
    }
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

void ScriptedTerminal::press(VTermKey key) {
  vterm_keyboard_key(vterm_, key, VTERM_MOD_NONE);
}

void ScriptedTerminal::resize(int rows, int columns) {
  vterm_set_size(vterm_, rows, columns);
  const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
  REQUIRE(::ioctl(master_, TIOCSWINSZ, &size) == 0);
}

void ScriptedTerminal::signal(int number) {
  REQUIRE(pid_ > 0);
  REQUIRE(::kill(pid_, number) == 0);
}

void ScriptedTerminal::stop_output() {
  REQUIRE(::tcflow(slave_, TCOOFF) == 0);
}

// ---- What it writes

bool ScriptedTerminal::read_some() {
  char bytes[1 << 14];
  const auto got = ::read(master_, bytes, sizeof bytes);
  if (got <= 0) return false;
  written_.append(bytes, static_cast<std::size_t>(got));
  vterm_input_write(vterm_, bytes, static_cast<std::size_t>(got));
  return true;
}

void ScriptedTerminal::pump(int wait_ms) {
  std::vector<pollfd> events;
  for (const ScriptedTerminal* each : all()) events.push_back({each->master_, POLLIN, 0});
  ::poll(events.data(), events.size(), wait_ms);
  for (ScriptedTerminal* each : all()) {
    while (each->read_some()) {
    }
  }
}

void ScriptedTerminal::wait_until(const std::string& what, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) {
      std::string screens;
      for (const ScriptedTerminal* each : all()) screens += "----\n" + each->screen();
      FAIL(fmt::format("not within the time: {}\non the screen:\n{}and all of them:\n{}", what, screen(), screens));
    }
    pump(kPoll_ms);
  }
}

void ScriptedTerminal::wait_for(std::initializer_list<std::string> texts) {
  wait_until(fmt::format("'{}'", fmt::join(texts, "', '")),
             [&] { return std::ranges::all_of(texts, [&](const std::string& each) { return shows(each); }); });
}

void ScriptedTerminal::wait_gone(const std::string& text) {
  wait_until("no '" + text + "'", [&] { return !shows(text); });
}

int ScriptedTerminal::wait_end() {
  wait_until("the end of the program", [&] { return ::waitpid(pid_, &status_, WNOHANG) == pid_; });
  pid_ = -1;
  while (read_some()) {
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

// ---- The screen

VTermScreenCell ScriptedTerminal::cell(int row, int column) const {
  VTermScreenCell cell{};
  vterm_screen_get_cell(screen_, {row, column}, &cell);
  vterm_screen_convert_color_to_rgb(screen_, &cell.fg);
  vterm_screen_convert_color_to_rgb(screen_, &cell.bg);
  return cell;
}

std::string ScriptedTerminal::screen() const {
  int rows = 0, columns = 0;
  vterm_get_size(vterm_, &rows, &columns);
  std::string text;
  for (int row = 0; row < rows; ++row) {
    std::string line;
    for (int column = 0; column < columns;) {
      const VTermScreenCell at = cell(row, column);
      if (at.chars[0] == 0) line += ' ';
      for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && at.chars[i] != 0; ++i) line += utf8(at.chars[i]);
      column += std::max<int>(at.width, 1);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

bool ScriptedTerminal::shows(std::string_view text) const {
  return screen().find(text) != std::string::npos;
}

bool ScriptedTerminal::is_cooked() const {
  termios settings{};
  REQUIRE(::tcgetattr(slave_, &settings) == 0);
  return (settings.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG) && (settings.c_oflag & OPOST) != 0;
}
