// The keeper: looks at the cloud, and goes on with what is to be told.
#include <algorithm>

#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

void Peer::Impl::keep() {
  while (!stopping) {
    const bool looked = look_at_cloud();
    if (looked) {
      const std::lock_guard lock(mutex);
      note(agent.top_up_escrow());
    }
    send_all();
    Lock lock(mutex);
    keep_all(lock);
    ++rounds;
    cloud_read = looked;
    changed.wait_for(lock, std::chrono::milliseconds(options.poll_ms), [this] { return awake || stopping; });
    awake = false;
  }
}

// Whether it is known what the cloud has: it was read now, or the streams have told since it was.
bool Peer::Impl::look_at_cloud() {
  if (!has_cloud()) return false;
  std::optional<Look> look;
  {
    const std::lock_guard lock(mutex);
    const auto due = agent.is_look_due(clock.monotonic_ms(), watch->telling());
    if (due != Agent::LookDue::kYes) return due == Agent::LookDue::kNo;
    look = agent.begin_look(clock.monotonic_ms());
  }
  const auto read = read_cloud(*look);
  if (stopping) return false;
  Lock lock(mutex);
  settle_or_trouble(lock, agent.end_look(read, clock.monotonic_ms()));
  return read.has_value();
}

// As collections of owned documents. They may be there otherwise, made by another program: what is read is checked all
// the same.
Result<> Peer::Impl::prepare_cloud() {
  const auto made = cloud().prepare();
  prepared = made || !is_away(made.error());
  if (!prepared) return made;
  if (!made) trouble(fmt::format("the collections of peers are not as they should be: {}", made.error().message));
  return {};
}

Result<> Peer::Impl::read_cloud(Look& look) {
  if (!prepared) DISTRI_TRY_VOID(prepare_cloud());
  while (const auto reading = look.next()) {
    if (stopping) return fail(stopped());
    DISTRI_TRY(auto found, read_records(*reading));
    {
      Lock lock(mutex);
      settle_or_trouble(lock, agent.take(look, std::move(found), clock.monotonic_ms()));
    }
    // Nodes may have lost it, and with it all that makes the collections what they are.
    if (*reading == Reading::kUsers && look.is_unknown()) DISTRI_TRY_VOID(prepare_cloud());
  }
  return {};
}

Result<CloudRecordList> Peer::Impl::read_records(Reading reading) {
  const auto records = [](auto found) -> Result<CloudRecordList> {
    if (!found) return fail(found.error());
    return CloudRecordList(std::move(found->records));
  };
  const CloudRecords there = cloud();
  switch (reading) {
    case Reading::kUsers:
      return records(there.users());
    case Reading::kOwnRequests:
      return records(there.requests_of(self));
    case Reading::kOwnGrants:
      return records(there.grants_of(self));
    case Reading::kCatalog:
      return records(there.catalog(std::nullopt));
    case Reading::kOwnKeys:
      return records(there.view_keys_of(self));
    case Reading::kReceipts:
      return records(there.receipts_to(self));
    case Reading::kRequests:
      return records(there.requests_to(self));
    case Reading::kGrants:
      break;
  }
  return records(there.grants_to(self));
}

// ---- What streams tell

CloudWatch::Listener Peer::Impl::cloud_listener() {
  return {
      .on_begin =
          [this] {
            const std::lock_guard lock(mutex);
            agent.want_look();
            wake_keeper();
          },
      .on_record = [this](std::string_view collection, bson::View record) { take_change(collection, record); },
      .on_trouble =
          [this](const Error& error) {
            trouble(fmt::format("no node tells of changes, the cloud is looked at every {} ms instead: {}",
                                options.poll_ms, error.message));
          },
  };
}

// As with what is read, records that are nobody's are passed over.
void Peer::Impl::take_change(std::string_view collection, bson::View record) {
  const auto taken = [&](auto one) {
    if (!one) return;
    std::vector<typename decltype(one)::value_type> records;
    records.push_back(*std::move(one));
    take_records(std::move(records));
  };
  if (collection == kUsersCollection) return taken(read_user(record));
  if (collection == kRequestsCollection) return taken(read_request(record));
  if (collection == kGrantsCollection) return taken(read_grant(record));
  if (collection == kReceiptsCollection) return taken(read_receipt(record));
  taken(read_catalog_entry(record));
}

void Peer::Impl::take_records(CloudRecordList records) {
  Lock lock(mutex);
  settle_or_trouble(lock, agent.take(std::move(records), clock.monotonic_ms()));
}

}  // namespace distri::peer
