#include "distri/client/login.hpp"

namespace distri::client {

Result<std::uint32_t> Login::next(wire::Session& session, const NodeId& node, std::int64_t now_ms) {
  node_ = node;
  now_ms_ = now_ms;
  const auto proved = identity_->proved_until.find(node);
  const bool known = proved != identity_->proved_until.end() && proved->second > now_ms && !identity_->refuses(node);
  wire::RequestHead head;
  BytesView body;
  if (identity_->cluster && asked_ == Asked::kNothing && !known) {
    asked_ = Asked::kIdentify;
    head.service = "Identify";
  } else if (!identity_->token.empty() && asked_ != Asked::kAuthenticate) {
    asked_ = Asked::kAuthenticate;
    head.service = "Authenticate";
    body = identity_->token;
  } else {
    asked_ = Asked::kNothing;
    return std::uint32_t{0};
  }
  reply_.clear();
  std::size_t taken = 0;
  return session.open_request(head, body, true, taken);
}

Result<bool> Login::on_reply(const wire::ReplyHead& head, BytesView body, bool end) {
  if (head.status != Code::kOk) return fail(Error{head.status, std::string(head.message)});
  return on_data(body, end);
}

Result<bool> Login::on_data(BytesView chunk, bool end) {
  if (reply_.size() + chunk.size() > membership::kTableBytesMax) {
    return fail(Code::kTooLarge, "the node's proof of its membership is over {} bytes", membership::kTableBytesMax);
  }
  reply_.append(chunk);
  return end ? finished() : false;
}

Result<bool> Login::finished() {
  if (asked_ != Asked::kIdentify) return true;
  const auto table = membership::MemberTable::load(reply_);
  if (!table) return fail(Code::kUnauthenticated, "the node's proof of its membership: {}", table.error().message);
  if (table->cluster() != *identity_->cluster) {
    return fail(Code::kUnauthenticated, "the node there is of cluster {}, not of {}", table->cluster().short_hex(),
                identity_->cluster->short_hex());
  }
  auto& shown = identity_->shown;
  if (!shown) shown = *table;
  if (const auto merged = shown->merge(reply_); !merged) {
    return fail(Code::kUnauthenticated, "the node's proof of its membership: {}", merged.error().message);
  }
  if (!shown->is_member(node_)) {
    identity_->proved_until.erase(node_);
    return fail(Code::kUnauthenticated, "the node there is {}, which {} cluster {}", node_.short_hex(),
                shown->is_revoked(node_) ? "was removed from" : "is no member of", shown->cluster().short_hex());
  }
  identity_->proved_until.insert_or_assign(node_, now_ms_ + kProvedMs);
  return true;
}

}  // namespace distri::client
