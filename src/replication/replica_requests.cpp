#include <algorithm>

#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

void Replica::set_request(const RequestId& id) {
  impl_->current_request = id;
}

const Replica::AppliedRequest* Replica::find_request(const RequestId& id) const {
  return impl_->requests.find(id);
}

Result<> Replica::note(std::int64_t now_ms) {
  Op op;
  op.kind = OpKind::kNote;
  DISTRI_TRY(op.stamp, impl_->next_stamp({}, now_ms));
  return impl_->write(std::move(op));
}

void Replica::Impl::remember_request(const Op& op) {
  if (op.request.empty()) return;
  AppliedRequest& record = requests[op.request];
  if (record.key.empty()) record.key = op.key;
  switch (op.kind) {
    case OpKind::kInsert:
    case OpKind::kCreateCollection:
      ++record.inserted;
      break;
    case OpKind::kUpdate:
    case OpKind::kIncrement:
    case OpKind::kResolve:
      ++record.updated;
      break;
    case OpKind::kDelete:
    case OpKind::kDropCollection:
      ++record.deleted;
      break;
    case OpKind::kFold:
    case OpKind::kNote:
      break;
  }
  while (requests.size() > config.requests_max) requests.drop_oldest();
}

// From the newest part of the loaded log.
void Replica::Impl::recall_requests() {
  std::uint64_t from = log.end_position();
  std::uint64_t ops = 0;
  while (from > log.first_position() && ops < config.requests_max) {
    const OpLog::Entry& entry = log.at(--from);
    ops += entry.last_counter - entry.first_counter + 1;
  }
  for (; from < log.end_position(); ++from) {
    wire::Reader in(*log.at(from).batch);
    const auto batch = decode_batch(in, config.limits);
    if (!batch) continue;  // written by a version with other limits
    for (const Op& op : batch->ops) remember_request(op);
  }
}

}  // namespace distri::replication
