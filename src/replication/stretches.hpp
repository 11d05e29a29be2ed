// stretches.hpp: which writes each part of a stream of states contains already.
//
// A stream is not a snapshot: the sender goes on writing, so every chunk is what the sender held at a moment of its
// own. But each document in it is as of one moment, whose vector came with the chunk. The writes that the sender made
// while it streamed come behind the chunks as ops; an op whose stretch contains it already must not be applied once
// more, because it would seem to lose to writes that had seen it.
//
// Threads: values. Errors: none.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "distri/replication/messages.hpp"

namespace distri::replication {

class Stretches {
 public:
  // In the order of the stream. Of two that overlap (a collection that grew at its end) the later one counts.
  void add(const CollectionChunk& chunk, std::shared_ptr<const VersionVector> theirs) {
    stretches_.push_back({{chunk.name, chunk.from}, chunk.to, chunk.to_end, std::move(theirs)});
  }

  // An op on a document whose stretch was made by somebody who had seen that op. Never an op on a collection.
  bool contain(const Op& op, const Dot& dot) const {
    if (op.key.empty()) return false;
    // The last one that begins before the key.
    const auto behind = std::partition_point(
        stretches_.begin(), stretches_.end(),
        [at = StateCursor{op.collection, op.key}](const Stretch& stretch) { return stretch.from < at; });
    if (behind == stretches_.begin()) return false;
    const Stretch& stretch = *std::prev(behind);
    return stretch.from.collection == op.collection && (stretch.to_end || op.key <= stretch.to) &&
           stretch.theirs->covers(dot);
  }

 private:
  struct Stretch {
    StateCursor from;
    Bytes to;
    bool to_end;
    std::shared_ptr<const VersionVector> theirs;
  };
  std::vector<Stretch> stretches_;
};

}  // namespace distri::replication
