// Peers that are killed (SIGKILL) in the middle of what they do, as processes of their own, and started again: no
// request is lost, and no view is given twice.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <set>

#include "distri/utils/random.hpp"
#include "own_process.hpp"
#include "peer_scene.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::test;
using Why = NotViewed::Why;

namespace {

constexpr std::uint32_t kViews = 40;

PeerOptions options_of(const std::string& name, const std::string& directory, const Address& node) {
  PeerOptions options;
  options.name = name;
  options.data_directory = directory;
  options.nodes = {node};
  options.poll_ms = 20;
  options.reconcile_ms = 100;
  options.retry_ms_max = 100;
  options.escrow_views = 2;
  return options;
}

[[noreturn]] void give_up(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  std::_Exit(1);
}

// Grants what is asked for, until it is killed.
void own(const std::string& directory, const Address& node, const std::string& pictures) {
  OwnProcess::be_child();
  auto peer = Peer::open(options_of("ana", directory, node));
  if (!peer) give_up(peer.error());
  if (const auto started = (*peer)->start(); !started) give_up(started.error());
  if (const auto published = (*peer)->publish(pictures); !published) give_up(published.error());
  std::puts("here");
  std::fflush(stdout);
  for (;;) {
    for (const PendingApproval& each : (*peer)->pending_approvals()) {
      static_cast<void>((*peer)->grant_resource(each.request.id, each.request.views));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Asks once, views as often as it can, and says each serial.
void view(const std::string& directory, const Address& node) {
  OwnProcess::be_child();
  auto peer = Peer::open(options_of("ben", directory, node));
  if (!peer) give_up(peer.error());
  if (const auto started = (*peer)->start(); !started) give_up(started.error());
  while ((*peer)->inbox().empty()) static_cast<void>((*peer)->request_resource("ana", "dune.png", kViews));
  for (;;) {
    const auto seen = (*peer)->access_grant((*peer)->inbox()[0].request.id);
    if (seen) {
      std::printf("%u\n", seen->serial);
      std::fflush(stdout);
    } else if (seen.error().why == Why::kUsedUp) {
      std::_Exit(0);
    } else if (seen.error().why == Why::kFailed) {
      give_up(seen.error().error);
    }
  }
}

struct Stage {
  TestDirectory directory;
  Nodes nodes{1, directory.path()};

  Stage() {
    std::filesystem::create_directories(pictures());
    write_file(pictures() / "dune.png", sample_image(1));
  }
  std::filesystem::path pictures() const { return directory.path() / "pictures"; }
  std::string node() const { return to_string(nodes.addresses()[0]); }
  std::vector<std::string> owner() const { return {"own", directory.path() / "ana", node(), pictures()}; }
  std::vector<std::string> viewer() const { return {"view", directory.path() / "ben", node()}; }
};

}  // namespace

TEST_CASE("An owner who is killed again and again gives each view once, and all of them") {
  const Stage stage;
  auto owner = std::make_unique<OwnProcess>(stage.owner());
  REQUIRE(owner->line() == "here");
  OwnProcess viewer(stage.viewer());
  std::set<std::string> serials;
  std::size_t lines = 0;
  Random random(7);
  for (std::string line = viewer.line(); !line.empty(); line = viewer.line()) {
    ++lines;
    CHECK(serials.insert(line).second);
    if (lines % 4 != 1) continue;
    // Somewhere in the next view, or in what comes after it.
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(8'000)));
    owner->kill();
    owner = std::make_unique<OwnProcess>(stage.owner());
    REQUIRE(owner->line() == "here");
  }
  CHECK(viewer.wait() == 0);
  CHECK(lines == kViews);
}

TEST_CASE("A viewer who is killed again and again sees no view twice, and asks once") {
  const Stage stage;
  OwnProcess owner(stage.owner());
  REQUIRE(owner.line() == "here");
  std::set<std::string> serials;
  Random random(8);
  int kills = 0;
  for (bool used_up = false; !used_up;) {
    OwnProcess viewer(stage.viewer());
    for (int lines = 0; lines < 3; ++lines) {
      const std::string line = viewer.line();
      used_up = line.empty();
      if (used_up) break;
      CHECK(serials.insert(line).second);
    }
    if (used_up) {
      CHECK(viewer.wait() == 0);
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(random.below(8'000)));
      viewer.kill();
      ++kills;
      // What it had said before it was killed.
      for (std::string line = viewer.line(); !line.empty(); line = viewer.line()) CHECK(serials.insert(line).second);
    }
  }
  CHECK(kills > 3);
  CHECK(serials.size() <= kViews);
  client::Client reader(stage.nodes.addresses());
  CHECK(take(reader.count("requests")) == 1);
  CHECK(take(reader.count("grants")) == 1);
}

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (argc == 5 && arguments[1] == "own") own(arguments[2], *parse_address(arguments[3]), arguments[4]);
  if (argc == 4 && arguments[1] == "view") view(arguments[2], *parse_address(arguments[3]));
  return doctest::Context(argc, argv).run();
}
