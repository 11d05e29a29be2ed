// losers.hpp: what a merge leaves behind: writes that lost to one whose writer had not seen them.
//
// A loser is named by its dot. Every unseen write that something replaced gets one, and so it has the same name on
// every node, whether it came before the winner or after. Its content is the whole document for a lost generation, and
// the lost fields for an update. When unseen updates go down with a generation that the winner had seen and deleted,
// the newest of them keeps the whole document as it was, because there is nothing else left of it.
//
// No loser: what the winner's writer had seen; content equal to what the winner wrote; a delete that lost to a delete.
//
// Threads: values. Errors: none.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/replication/version_vector.hpp"

namespace distri::replication {

struct StateRef;

// The numbers travel and rest in journals.
enum class ConflictKind : std::uint8_t {
  kDocument = 1,   // a whole document
  kDelete = 2,     // a delete that lost to an insert
  kFields = 3,     // fields set and unset (and increments, when one write did both)
  kIncrement = 4,  // increments of counters whose base is gone
};
std::string_view conflict_kind_name(ConflictKind kind);

struct Loser {
  ConflictKind kind = ConflictKind::kFields;
  Dot dot;
  Stamp stamp;                     // of increments: that of the base they added to
  Dot winner;                      // counter 0: not known any more
  bson::Document content;          // kDocument: the document; kDelete: {_id}; kFields: the fields that it set
  std::vector<std::string> unset;  // kFields: those that it unset
  bson::Document increments;       // kIncrement (and kFields): by how much
  // With increments: they are the sum of those that this actor made from this counter on, up to dot.counter. Who merges
  // states sees only sums, who applies ops sees each increment alone.
  std::uint64_t since = 0;

  // Takes over what another loss of the same write lost.
  void join(Loser other);
  // Takes out the increments that `sum`, another loser of the same document, holds in its own.
  void subtract_held_by(const Loser& sum);
  // Nothing is lost.
  bool empty() const { return content.view().empty() && unset.empty() && increments.view().empty(); }
  bool operator==(const Loser&) const = default;
};

// What somebody had seen.
class Seen {
 public:
  // Everything: the writer of a local write.
  Seen() = default;
  // A replica. The vector must outlive this.
  explicit Seen(const VersionVector& vector) : vector_(&vector) {}
  // The writer of op `dot`: what its batch came after, and its own earlier writes.
  Seen(const VersionVector& before, const Dot& dot) : vector_(&before), own_(dot) {}

  bool everything() const { return vector_ == nullptr; }
  bool covers(const Dot& dot) const {
    return vector_ == nullptr || dot.counter == 0 || (dot.actor == own_.actor && dot.counter <= own_.counter) ||
           vector_->covers(dot);
  }

 private:
  const VersionVector* vector_ = nullptr;
  Dot own_;
};

// A field as a document has it. nullptr: it has none; no register: the generation wrote it.
struct ShownField {
  const bson::Element* element = nullptr;
  const db::FieldRevision* field = nullptr;
};
// Whether the write that is named by the one's dot put the same there as the other's: sums count as their bases.
bool wrote_the_same(const ShownField& one, const ShownField& other);
// Whether the generations were written with the same content. False where updates have changed one of them since: then
// nobody knows it any more, and rather a conflict too many.
bool wrote_the_same(StateRef one, StateRef other);

// What of a lost write still shows in a state: all of it, or those fields. nullopt: nothing.
std::optional<Loser> shown_in(StateRef state, const Loser& loser);

// Gathers the losers of one op or of one merge of states. Costs nothing while there are none.
class Losers {
 public:
  // One field of the write `dot`; nullptr: it unset the field.
  void lost_field(const Dot& dot, const Stamp& stamp, const Dot& winner, std::string_view name,
                  const bson::Element* element);
  // `since`: the first one of the sum; 0: it is one increment.
  void lost_increment(const Dot& dot, const Stamp& base, const Dot& winner, std::string_view name,
                      const db::Number& delta, std::uint64_t since = 0);
  void lost_document(ConflictKind kind, const Dot& dot, const Stamp& stamp, const Dot& winner, bson::View content);
  // What a register held: its base when `seen` does not cover it, and the parts of a counter that it does not cover.
  // `element`: the field in the document that goes. `in_place`: what takes its place; where the writes put equal
  // content there is no loss, whatever increments have made of it since.
  void lost_register(const db::FieldRevision& field, const bson::Element* element, const Dot& winner,
                     const ShownField& in_place, const Seen& seen);
  // A whole state that gave way to `winner`, another generation (`in_place` without document: a delete or drop).
  void lost_state(StateRef loser, const Dot& winner, StateRef in_place, const Seen& seen);

  bool empty() const { return losers_.empty(); }
  const std::vector<Loser>& all() const { return losers_; }
  std::vector<Loser> take() { return std::exchange(losers_, {}); }

 private:
  Loser& open(const Dot& dot, const Stamp& stamp, const Dot& winner);

  std::vector<Loser> losers_;
};

}  // namespace distri::replication
