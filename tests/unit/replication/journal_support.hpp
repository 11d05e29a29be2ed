// journal_support.hpp: a journal as a map, for the tests of replication.
#pragma once

#include <map>

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
  RecordSource source() const {
    return [this](const RecordVisitor& visit) -> Result<> {
      for (const auto& [key, value] : records) DISTRI_TRY_VOID(visit(key, value));
      return {};
    };
  }
};

}  // namespace distri::replication::test
