// $sort and $sample: documents in the order of a position, which is made of sort values or random.
#include <algorithm>
#include <limits>

#include "distri/db/expression_node.hpp"
#include "distri/db/pipeline_stage.hpp"
#include "distri/db/sort.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::View;

// With a limit up to this, only so many documents are kept; beyond, all of them, as ordering those at the end would
// take too long at once.
constexpr std::uint64_t kTopMax = 10'000;

class SortRun final : public StageRun {
 public:
  // `order` nullptr: random. `limit` 0: none.
  SortRun(const StageParts& parts, const SortOrder* order, std::uint64_t limit)
      : StageRun(parts),
        order_(order),
        limit_(limit == 0 ? std::numeric_limits<std::uint64_t>::max() : limit),
        top_(limit_ <= kTopMax),
        charge_(parts.context) {}

 private:
  struct Entry {
    Bytes position;
    Bytes document;
    std::size_t bytes() const { return sizeof(Entry) + position.size() + document.size(); }
  };
  // The heap has the last document in front while only the first ones are kept, and the first one afterwards.
  static bool last_in_front(const Entry& a, const Entry& b) { return a.position < b.position; }
  static bool first_in_front(const Entry& a, const Entry& b) { return a.position > b.position; }

  Result<Pull> pull() override {
    while (!complete_) {
      DISTRI_TRY(const Pull pulled, input_->next());
      if (pulled == Pull::kPaused) return pulled;
      complete_ = pulled == Pull::kEnd;
      if (!complete_) DISTRI_TRY_VOID(take(input_->document()));
      if (complete_ && top_) std::make_heap(heap_.begin(), heap_.end(), first_in_front);
    }
    if (heap_.empty() || given_ == limit_) return Pull::kEnd;
    if (context_.turn_over()) return Pull::kPaused;
    std::pop_heap(heap_.begin(), heap_.end(), first_in_front);
    bson::Document document = bson::Document::trusted(std::move(heap_.back().document));
    charge_.shrink(sizeof(Entry) + heap_.back().position.size() + document.bytes().size());
    heap_.pop_back();
    ++given_;
    DISTRI_TRY_VOID(context_.spend_on(document));
    return keep(std::move(document));
  }

  Result<> take(View document) {
    DISTRI_TRY_VOID(context_.spend_on(document));
    position_.clear();
    Bytes sequence;
    append_big_endian(sequence, arrived_++);
    if (order_ != nullptr) {
      order_->append_position(position_, document, sequence);
    } else {
      append_big_endian(position_, context_.random->next());
      position_ += sequence;
    }
    if (top_ && heap_.size() == limit_) {
      if (position_ > heap_.front().position) return {};
      std::pop_heap(heap_.begin(), heap_.end(), last_in_front);
      charge_.shrink(heap_.back().bytes());
      heap_.pop_back();
    }
    Entry entry{position_, Bytes(document.bytes())};
    DISTRI_TRY_VOID(charge_.grow(entry.bytes()));
    heap_.push_back(std::move(entry));
    std::push_heap(heap_.begin(), heap_.end(), top_ ? last_in_front : first_in_front);
    return {};
  }

  static void append_big_endian(Bytes& out, std::uint64_t v) {
    for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
  }

  const SortOrder* order_;
  std::uint64_t limit_;
  bool top_;  // only the first limit_ documents are kept
  std::vector<Entry> heap_;
  Bytes position_;
  std::uint64_t arrived_ = 0;
  std::uint64_t given_ = 0;
  bool complete_ = false;
  MemoryCharge charge_;
};

class SortStage final : public Stage {
 public:
  explicit SortStage(std::vector<SortKey> keys) : keys_(std::move(keys)), order_(keys_) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<SortRun>(parts, &order_, limit_);
  }
  void bound(std::uint64_t documents) override { limit_ = limit_ == 0 ? documents : std::min(limit_, documents); }

 private:
  std::vector<SortKey> keys_;
  SortOrder order_;  // points into keys_
  std::uint64_t limit_ = 0;
};

class SampleStage final : public Stage {
 public:
  explicit SampleStage(std::uint64_t documents) : documents_(documents) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<SortRun>(parts, nullptr, documents_);
  }

 private:
  std::uint64_t documents_;
};

}  // namespace

Result<> parse_sort_stage(const StageSource& source, StageList& out) {
  bson::Builder joined;
  if (source.value.type() == Type::kObject) {
    for (const bson::Element& key : source.value.as_object()) joined.append_element(key);
  } else if (source.value.type() == Type::kArray) {
    // [{a: 1}, {b: -1}], for callers whose objects have no order.
    for (const bson::Element& item : source.value.as_object()) {
      if (item.value.type() != Type::kObject) {
        return refuse(15973, "every entry of the list of sort keys must be an object, not {}", kind_of(item.value));
      }
      for (const bson::Element& key : item.value.as_object()) joined.append_element(key);
    }
  } else {
    return refuse(15973, "the sort keys must be an object, not {}", kind_of(source.value));
  }
  const bson::Document fields = std::move(joined).finish();
  if (fields.view().empty()) return refuse(15976, "there must be at least one sort key");
  if (fields.view().find(kNaturalOrder))
    return refuse(mongo::kBadValue, "'$natural' is the order of reads, not of documents in a pipeline");
  auto keys = parse_sort(fields);
  if (!keys) return refuse(mongo::kBadValue, "{}", keys.error().message);
  out.push_back(std::make_unique<SortStage>(*std::move(keys)));
  return {};
}

Result<> parse_sample(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kObject) {
    return refuse(28745, "it takes an object, not {}", kind_of(source.value));
  }
  const auto size = source.value.as_object().find("size");
  if (!size) return refuse(28749, "the field 'size' is missing");
  if (source.value.as_object().count() > 1) return refuse(28748, "it takes no field but 'size'");
  const auto number = size->is_number() ? size->to_int64() : std::nullopt;
  if (!number || *number < 1) {
    return refuse(28747, "'size' must be a whole number above 0, not {}", shown_value(*size));
  }
  out.push_back(std::make_unique<SampleStage>(static_cast<std::uint64_t>(*number)));
  return {};
}

}  // namespace distri::db
