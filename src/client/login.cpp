#include "distri/client/login.hpp"

namespace distri::client {

Result<std::uint32_t> Login::next(wire::Session& session, const NodeId& node) {
  node_ = node;
  wire::RequestHead head;
  BytesView body;
  if (identity_->cluster && !identity_->proved.contains(node_)) {
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
  if (!table->is_member(node_)) {
    return fail(Code::kUnauthenticated, "the node there is {}, which is no member of cluster {}", node_.short_hex(),
                table->cluster().short_hex());
  }
  identity_->proved.insert(node_);
  return true;
}

}  // namespace distri::client
