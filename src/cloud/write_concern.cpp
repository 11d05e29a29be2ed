#include "distri/cloud/write_concern.hpp"

#include <utility>

namespace distri::cloud {

std::string WriteConcern::text() const {
  if (!by_name) return fmt::format("w={}", needed);
  return all ? "w=all" : "w=majority";
}

Result<WriteConcern> write_concern_of(bson::View params, std::uint32_t members) {
  const auto value = params.find("w");
  if (!value) return WriteConcern{};
  const auto wrong = [&] {
    return fail(Code::kInvalidArgument,
                "parameter 'w' must be a whole number from 1 to the number of members ({}), \"majority\" or \"all\"",
                members);
  };
  if (value->type() == bson::Type::kString) {
    if (value->as_string() == "majority") return WriteConcern{members / 2 + 1, true, false};
    if (value->as_string() == "all") return WriteConcern{members, true, true};
    return wrong();
  }
  const auto number = value->to_int64();
  if (!number || *number < 1) return wrong();
  if (*number > members) {
    return fail(Code::kInvalidArgument,
                "parameter 'w': {} members are asked for, but the cluster is configured with {} (members)", *number,
                members);
  }
  return WriteConcern{static_cast<std::uint32_t>(*number), false, false};
}

void HeldReplies::add(std::uint32_t needed, std::uint64_t counter, std::shared_ptr<Request> request) {
  queues_[needed].emplace(counter, std::move(request));
  ++size_;
}

void HeldReplies::remove(std::uint32_t needed, std::uint64_t counter, const Request& request) {
  auto& queue = queues_[needed];
  const auto [first, last] = queue.equal_range(counter);
  for (auto it = first; it != last; ++it) {
    if (it->second.get() != &request) continue;
    queue.erase(it);
    --size_;
    return;
  }
}

}  // namespace distri::cloud
