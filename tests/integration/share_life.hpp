// share_life.hpp: the life of what one user shares with another, step by step, so that a test can make trouble at each.
//
//   publish, request, grant with fewer views, view down to zero, refused beyond, raise, revoke, refuse
//
// A step is prepared (while all is well), acted (whatever is wrong then: calls that need not succeed may fail, and what
// they give is counted), and settled: what is to come of it is waited for. check() says what has to hold in the end.
// Threads: the test's.
#pragma once

#include <array>
#include <set>

#include "node_processes.hpp"
#include "peer_scene.hpp"

namespace distri::test {

class ShareLife {
 public:
  struct Step {
    std::string_view name;
    void (ShareLife::*prepare)();
    void (ShareLife::*act)();
    void (ShareLife::*settle)();
  };
  static const std::array<Step, 8>& steps();
  static constexpr std::size_t kViews = 4;  // that are seen in a life

  // `number`: another one for each life of a test. Both must outlive it, and know each other.
  ShareLife(Agent& owner, Agent& viewer, int number);

  // After all steps and with all well: what both have, what each node holds of it, and what they heard are the same.
  void check(const NodeProcesses& nodes);
  // How the first request was told.
  peer::Delivery asked() const { return asked_; }

 private:
  void nothing() {}
  void publish();
  void see_offer();
  void ask();
  void see_request();
  void grant();
  void see_grant();
  void view();
  void see_all_views();
  void ask_beyond();
  void hear_used_up();
  void raise();
  void see_raise();
  void revoke();
  void hear_revoked();
  void ask_again();
  void refuse();
  void hear_refused();
  // One more view, if it is to be had now; why not.
  std::optional<peer::NotViewed::Why> view_once();
  void check_answer(const NodeProcesses& nodes, const peer::GrantId& id, std::string_view state, std::uint32_t views);

  Agent& owner_;
  Agent& viewer_;
  const std::string resource_;
  const Bytes image_;
  peer::GrantId id_;
  peer::GrantId second_;
  peer::Delivery asked_ = peer::Delivery::kKeptHere;
  std::uint32_t granted_ = 0;
  std::set<std::uint32_t> serials_;
};

}  // namespace distri::test
