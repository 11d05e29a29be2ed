// peer_news.hpp: what a Peer tells its user: events, and how far it has come with what it has to tell others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "distri/peer/ids.hpp"

namespace distri::peer {

struct PeerEvent {
  enum class Kind : std::uint8_t {
    // To an owner: a request came, asks for other views, was withdrawn.
    kRequested,
    kRequestChanged,
    kWithdrawn,
    // and of his grants: viewed online; a key in escrow was used; used twice; used though it had been taken back; and
    // that one of these three is not so after all: the viewer has come too late for that key.
    kViewed,
    kEscrowUsed,
    kDoubleUse,
    kUsedAfterTakenBack,
    kNotUsed,
    // To a viewer: an answer came or changed (pending: Peer::inbox()); its picture is here.
    kAnswered,
    kPictureHere,
    // Of others: a new user; one with another name; one that says to have a name which is pinned to another key.
    kNewUser,
    kRenamed,
    kNameClaimed,
    // What others or this user offer has changed.
    kCatalogChanged,
    // Whether nodes can be reached.
    kCloudAway,
    kCloudBack,
    // Something that the keeper does has failed, in `text`; it goes on trying where that has a sense.
    kTrouble,
  };
  Kind kind;
  GrantId id;                // of the first ten
  PublicKey user;            // whom it is about
  std::string resource;      // of the first ten
  std::uint32_t serial = 0;  // of the views
  std::string text;          // names of users; what went wrong
};

// How far what a call has to tell has come when the call returns. All of them are in the book on the disk.
enum class Delivery : std::uint8_t {
  kToldDirectly,    // the other peer has it; the cloud gets it as well
  kWaitingInCloud,  // he finds it there
  kKeptHere,        // not sent yet: the keeper goes on trying
};
std::string_view delivery_name(Delivery delivery);

// How far a Peer has come with what it does by itself: for programs that end when it is done.
struct Standing {
  // Of the keeper that have ended; each knows what the cloud has, and tells what is to be told.
  std::uint64_t rounds = 0;
  bool cloud_read = false;   // in the last of them it was known: all was read that concerns this user, or told since
  bool cloud_away = false;   // nodes cannot be reached, as far as is known, or there are none
  std::size_t untold = 0;    // what the cloud does not have yet: requests, answers, offers, keys and receipts of escrow
  std::size_t to_fetch = 0;  // pictures that are not here, of which no try has failed
};

}  // namespace distri::peer
