// pair.hpp: an owner's ledger and a viewer's holdings that talk to each other.
#pragma once

#include "distri/peer/holdings.hpp"
#include "distri/peer/ledger.hpp"
#include "support.hpp"

namespace distri::peer::test {

inline Ledger::SealedImage sealed_image() {
  return {.file = file_facts(), .key = image_key()};
}

// Ada has images, Bob asks for one; number `request` of Bob's requests.
struct Pair {
  Ledger ledger{key("ada")};
  Holdings holdings{key("bob"), device_id(1)};

  GrantId asked(std::uint64_t request = 1, std::uint32_t views = 3) {
    const GrantId id = grant_id(request);
    value(ledger.on_request(value(holdings.request(request, ledger.owner(), "photo.png", views, kNow))));
    return id;
  }
  GrantId granted(std::uint32_t views, std::uint64_t request = 1) {
    const GrantId id = asked(request);
    deliver(value(ledger.approve(id, views, sealed_image())));
    return id;
  }
  void deliver(const Ledger::Effects& effects) {
    for (const Grant& grant : effects.publish) value(holdings.on_grant(grant));
  }
  // One view online, from asking to the image key.
  Result<SecretBytes> view(const GrantId& id, std::uint64_t number) {
    DISTRI_TRY(const ViewId ask, holdings.ask_view(id, view_id(number)));
    auto given = ledger.give_view(id, holdings.viewer(), ask);
    if (!given) {
      REQUIRE(holdings.view_refused(id, ask).has_value());
      return fail(given.error());
    }
    return holdings.accept(given->key);
  }
};

}  // namespace distri::peer::test
