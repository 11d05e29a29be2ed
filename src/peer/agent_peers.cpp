// What other peers ask an Agent, and whether they are there. A call that comes twice does no harm.
#include "distri/peer/agent.hpp"

namespace distri::peer {

Change Agent::heard_from(const PublicKey& user) {
  Change change;
  if (away_.erase(user) == 0) return change;
  for (auto& [id, pause] : pictures_due_) {
    const Holding* holding = books_.holdings.find(id);
    if (holding != nullptr && holding->request.to == user) pause = {};
  }
  change.wake = true;
  return change;
}

bool Agent::is_paused(const PublicKey& user, std::int64_t now_ms) const {
  const auto found = away_.find(user);
  return found != away_.end() && now_ms < found->second.until_ms;
}

Change Agent::on_call(const PublicKey& user, const Result<Bytes>& answer, std::int64_t now_ms) {
  if (answer || is_answer(answer.error())) return heard_from(user);
  if (answer.error().code != Code::kBusy) away_[user].grow(now_ms, options_.poll_ms, options_.retry_ms_max);
  return {};
}

std::vector<Address> Agent::addresses_of(const PublicKey& user) const {
  const Contact* contact = books_.contacts.find(user);
  return contact == nullptr ? std::vector<Address>() : contact->user.addresses;
}

Result<Agent::Reply> Agent::on_request(const Request& request) {
  DISTRI_TRY(const Ledger::Effects effects, books_.ledger.on_request(request));
  const bool to_be_told = effects.changed || outbox_.grants.contains(request.id);
  Reply reply{settle(request.id, effects), {}};
  const Entry* entry = books_.ledger.find(request.id);
  if (entry == nullptr || !entry->grant) return reply;
  // The cloud has it already, and he hears it now.
  if (!to_be_told) outbox_.grants.erase(request.id);
  reply.body = Bytes(to_document(*entry->grant).bytes());
  return reply;
}

Result<Change> Agent::on_grant(const Grant& grant) {
  DISTRI_TRY(const bool news, books_.holdings.on_grant(grant));
  Change change = settle_holding(grant.id, news);
  if (!news) return change;
  if (books_.holdings.find(grant.id)->state() == Holding::State::kGranted) {
    pictures_due_.emplace(grant.id, Pause());
    change.fetch = true;
  } else {
    change.ended.push_back(grant.id);
  }
  PeerEvent event;
  event.kind = PeerEvent::Kind::kAnswered;
  event.id = grant.id;
  event.user = grant.owner;
  event.resource = grant.resource;
  event.text = state_name(grant.state);
  change.events.push_back(std::move(event));
  return change;
}

Result<Agent::Reply> Agent::on_view(const GrantId& id, const PublicKey& asker, const ViewId& view) {
  DISTRI_TRY(const Ledger::GivenView given, books_.ledger.give_view(id, asker, view));
  return Reply{settle(id, given.effects), Bytes(to_document(given.key).bytes())};
}

Result<> Agent::may_fetch(const GrantId& id, const PublicKey& asker) const {
  const Entry* entry = books_.ledger.find(id);
  if (entry == nullptr) return fail(Code::kNotFound, "grant {}: there is none of that id", id.short_hex());
  if (entry->request.owner != asker) return fail(Code::kPermissionDenied, "grant {}: it is not yours", id.short_hex());
  if (entry->state() == Entry::State::kGranted) return {};
  return fail(Code::kCancelled, "grant {}: it is {}, there is nothing to fetch", id.short_hex(),
              state_name(entry->state()));
}

}  // namespace distri::peer
