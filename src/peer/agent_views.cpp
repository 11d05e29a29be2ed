// Views of an Agent, and the pictures that they open.
#include "distri/peer/agent.hpp"

namespace distri::peer {

namespace {

Result<ViewKey> key_in_answer(const GrantId& id, const Bytes& answer) {
  auto document = bson::Document::parse(answer);
  if (!document) return fail(Code::kDataLoss, "grant {}: the owner's answer is no view key", id.short_hex());
  DISTRI_TRY(ViewKey given, read_view_key(document->view()));
  if (given.grant == id) return given;
  return fail(Code::kDataLoss, "grant {}: the owner has answered with the key of another grant", id.short_hex());
}

}  // namespace

// ---- Online

Result<Agent::Asking> Agent::ask_view(const GrantId& id, const ViewId& fresh) {
  DISTRI_TRY(const ViewId view, books_.holdings.ask_view(id, fresh));
  return Asking{settle_holding(id, view == fresh), books_.holdings.find(id)->request.to, view};
}

Agent::Answered Agent::on_view_answer(const GrantId& id, const Asking& asking, const Result<Bytes>& answer,
                                      std::int64_t now_ms) {
  Change change = on_call(asking.owner, answer, now_ms);
  if (!answer) {
    if (!is_answer(answer.error())) return {std::move(change), fail(answer.error())};
    // He gives none for this ask, for good.
    if (books_.holdings.view_refused(id, asking.view)) change.add(settle_holding(id, true));
    return {std::move(change), fail(answer.error())};
  }
  const auto given = key_in_answer(id, *answer);
  if (!given) return {std::move(change), fail(given.error())};
  auto image_key = books_.holdings.accept(*given);
  if (!image_key) return {std::move(change), fail(Code::kDataLoss, "{}", image_key.error().message)};
  change.add(settle_holding(id, true));
  return {std::move(change), OneView{*std::move(image_key), given->serial, false}};
}

// ---- From escrow

std::optional<ViewKey> Agent::begun(const GrantId& id) const {
  const Holding* holding = books_.holdings.find(id);
  return holding == nullptr ? std::nullopt : holding->taking;
}

std::vector<ViewKey> Agent::unused(std::vector<ViewKey> found) const {
  std::erase_if(found, [this](const ViewKey& each) { return books_.holdings.is_used(each.grant, each.serial); });
  return found;
}

Result<Agent::Taking> Agent::take_key(const ViewKey& key, std::int64_t wall_ms) {
  DISTRI_TRY(const Receipt receipt, books_.holdings.take(key, wall_ms));
  return Taking{settle_holding(key.grant, true), receipt, repeatable("takes a view key", document_id(receipt), key_)};
}

Result<Agent::Taken> Agent::taken(const Receipt& receipt, bool was_there, std::int64_t wall_ms) {
  DISTRI_TRY(SecretBytes image_key, books_.holdings.taken(receipt.grant, receipt.serial, was_there, wall_ms));
  Taken result{settle_holding(receipt.grant, true), std::nullopt};
  if (was_there) {
    result.view = OneView{std::move(image_key), receipt.serial, true};
  } else {
    outbox_.withdraw.emplace(receipt.grant, receipt.serial);
    result.change.wake = true;
  }
  return result;
}

// ---- Pictures

std::optional<GrantId> Agent::next_picture(std::int64_t now_ms, const std::set<GrantId>& but) const {
  std::optional<std::pair<std::int64_t, GrantId>> next;
  for (const auto& [id, pause] : pictures_due_) {
    if (pause.until_ms > now_ms || but.contains(id)) continue;
    if (!next || pause.until_ms < next->first) next.emplace(pause.until_ms, id);
  }
  if (!next) return std::nullopt;
  return next->second;
}

Result<Holding> Agent::to_fetch(const GrantId& id) const {
  const Holding* holding = books_.holdings.find(id);
  if (holding != nullptr && holding->state() == Holding::State::kGranted) return *holding;
  return fail(Code::kCancelled, "grant {}: it has ended, there is nothing to fetch", id.short_hex());
}

Result<Change> Agent::picture_here(const GrantId& id, const FileFacts& file) {
  // There may be another grant now.
  DISTRI_TRY_VOID(books_.holdings.check_file(id, file.sealed_bytes, file.sealed_digest));
  Change change;
  if (pictures_due_.erase(id) == 0) return change;
  PeerEvent event;
  event.kind = PeerEvent::Kind::kPictureHere;
  event.id = id;
  if (const Holding* holding = books_.holdings.find(id)) {
    event.user = holding->request.to;
    event.resource = holding->request.resource;
  }
  change.events.push_back(std::move(event));
  return change;
}

void Agent::picture_failed(const GrantId& id, std::int64_t now_ms) {
  const auto due = pictures_due_.find(id);
  if (due != pictures_due_.end()) due->second.grow(now_ms, options_.poll_ms, options_.retry_ms_max);
}

}  // namespace distri::peer
