// journal_support.hpp: a journal as a map, for the tests of replication.
#pragma once

#include <map>

#include "distri/replication/journal_record.hpp"
#include "support.hpp"

namespace distri::replication::test {

struct Disk {
  std::map<Bytes, Bytes> records;

  void write(const Commit& commit) {
    for (const auto& [key, value] : commit.changes) {
      if (value) {
        records[key] = *value;
      } else {
        records.erase(key);
      }
    }
  }
  // What there is to write, durable at once.
  void save(Replica& replica, std::int64_t now) {
    replica.end_turn(now);
    if (const auto commit = replica.take_commit()) {
      write(*commit);
      replica.committed(commit->number, now);
    }
  }
  // As an earlier version would have written it: 2 with other digests and without what the feed cannot tell, 1 also
  // without what ops did.
  void turn_to_format(char format) {
    for (auto& [key, value] : records) {
      Bytes body(*unsealed(key, value));
      if (key.front() == kCollectionRecord) {
        constexpr std::size_t kDigestBytes = 32;
        for (std::size_t i = body.size() - kDigestBytes; i < body.size(); ++i) body[i] = static_cast<char>(~body[i]);
      }
      if (key.front() == kHeadRecord) {
        body.front() = format;
        Bytes nothing;
        wire::Writer out(nothing);
        VersionVector().encode(out);
        body.resize(body.size() - nothing.size());
      }
      if (key.front() == kLogRecord && format == 1) {
        constexpr std::size_t kHeadBytes = ActorId::kSize + 16;
        wire::Reader in(BytesView(body).substr(kHeadBytes));
        const std::size_t effects = in.bytes32().size();
        body.erase(kHeadBytes, 4 + effects);
      }
      value = sealed(key, std::move(body));
    }
  }
  RecordSource source() const {
    return [this](const RecordVisitor& visit) -> Result<> {
      for (const auto& [key, value] : records) DISTRI_TRY_VOID(visit(key, value));
      return {};
    };
  }
};

}  // namespace distri::replication::test
