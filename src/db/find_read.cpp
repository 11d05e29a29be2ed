#include "distri/db/find_read.hpp"

#include "distri/db/cursor.hpp"
#include "distri/db/index_key.hpp"
#include "distri/db/language_error.hpp"

namespace distri::db {

Result<Start> start_of(const FindQuery& query) {
  if (query.cursor.empty()) return Start{false, {}, query.skip, query.limit == 0 ? kNoLimit : query.limit};
  DISTRI_TRY(auto cursor, decode_cursor(query.cursor));
  if (cursor.sort_hash != hash_sort(query.sort)) {
    return fail(Code::kInvalidArgument, "cursor: it belongs to a query with another sort");
  }
  return Start{true, std::move(cursor.position), 0, cursor.remaining == 0 ? kNoLimit : cursor.remaining};
}

Result<bool> PageWriter::take(const Record& record, std::string_view position, const FindRun::Take& show) {
  const std::size_t before = documents_;
  auto taken = take(record, show);
  if (documents_ != before) position_ = position;
  return taken;
}

Result<bool> PageWriter::take(const Record& record, const FindRun::Take& show) {
  if (skip_ > 0) {
    --skip_;
    return true;
  }
  if (remaining_ == 0) return false;
  const std::size_t size = record.document.bytes().size();
  more_ = documents_ >= documents_max_ ||
          (documents_ > 0 && size > query_.page_bytes_max - std::min(bytes_, query_.page_bytes_max));
  if (more_) return false;
  DISTRI_TRY_VOID(show(record));
  ++documents_;
  last_ = &record;
  bytes_ += size;
  if (remaining_ != kNoLimit) --remaining_;
  return remaining_ != 0;
}

void PageWriter::break_off(std::string_view position) {
  if (remaining_ == 0 || more_) return;
  more_ = true;
  position_ = std::max<std::string_view>(position_, position);
}

Result<std::string> PageWriter::finish() const {
  if (!more_) return std::string();
  if (position_.size() > kCursorPositionBytesMax) {
    return fail(Code::kTooLarge,
                "find: the page ends at a document whose sort values take {} bytes, and a cursor holds at most {}; "
                "ask for larger "
                "pages or sort by a shorter field",
                position_.size(), kCursorPositionBytesMax);
  }
  return encode_cursor({hash_sort(query_.sort), remaining_ == kNoLimit ? 0 : remaining_, position_});
}

std::uint64_t wanted_for(const FindQuery& query, const Start& start) {
  const std::uint64_t page_max =
      std::min<std::uint64_t>(start.remaining, std::max<std::size_t>(query.page_documents_max, 1));
  const std::uint64_t room = kNoLimit - start.skip;
  return page_max >= room ? kNoLimit : start.skip + page_max + (page_max + start.skip < kNoLimit ? 1 : 0);
}

bool in_insertion_order(const FindQuery& query) {
  return query.sort.size() == 1 && query.sort.front().path == kNaturalOrder;
}

void append_insertion_position(Bytes& out, const Record& record, std::string_view id_key, bool descending) {
  std::string stamp = InsertionOrder::place_of(record.revision.stamp(), {});
  if (descending) complement(stamp);
  out.append(stamp).append(id_key);
}

namespace {

class ReadById final : public OrderedRead {
 public:
  ReadById(const FindQuery& query, Start start)
      : scan_({query.filter, nullptr, wanted_for(query, start), true, query.hint},
              start.resumed ? std::optional(std::move(start.after)) : std::nullopt),
        page_(query, start.skip, start.remaining) {}

  Result<bool> step(const Collection& collection, std::uint64_t& budget, const FindRun::Take& show) override {
    Result<> failed;
    DISTRI_TRY(const auto end, scan_.run(collection, budget, [&](std::string_view key, const Record& record) {
      auto taken = page_.take(record, key, show);
      if (!taken) failed = fail(std::move(taken).error());
      return taken && *taken;
    }));
    DISTRI_TRY_VOID(failed);
    return end != Scan::End::kPaused;
  }

  Result<std::string> finish() const override { return page_.finish(); }
  const ScanPlan& plan() const override { return scan_.plan(); }
  const ScanCounts& counts() const override { return scan_.counts(); }
  std::size_t bytes() const override { return scan_.bytes(); }

 private:
  MatchScan scan_;
  PageWriter page_;
};

// Walks through the order of insertion itself.
class InsertionWalk final : public OrderedRead {
 public:
  InsertionWalk(const FindQuery& query, const Start& start)
      : query_(query), descending_(query.sort.front().descending), page_(query, start.skip, start.remaining) {
    if (!start.resumed) return;
    at_ = start.after.substr(0, InsertionOrder::kStampBytes);
    if (descending_) complement(*at_);
    *at_ += std::string_view(start.after).substr(at_->size());
  }

  Result<bool> step(const Collection& collection, std::uint64_t& budget, const FindRun::Take& show) override {
    if (collection.insertion_order() == nullptr) {
      if (&collection == &no_collection()) return true;
      return refuse(mongo::kCappedPositionLost,
                    "the collection is not capped any more, and was being read in the order of insertion; ask anew");
    }
    const auto& places = collection.insertion_order()->places();
    if (!descending_) {
      for (auto at = at_ ? places.upper_bound(*at_) : places.begin(); at != places.end(); ++at) {
        DISTRI_TRY(const bool more, take(collection, *at, budget, show));
        if (!more) return true;
        if (budget == 0) return pause_at(*at);
      }
      return true;
    }
    for (auto at = at_ ? places.lower_bound(*at_) : places.end(); at != places.begin();) {
      --at;
      DISTRI_TRY(const bool more, take(collection, *at, budget, show));
      if (!more) return true;
      if (budget == 0) return pause_at(*at);
    }
    return true;
  }

  Result<std::string> finish() const override { return page_.finish(); }
  const ScanPlan& plan() const override { return plan_; }
  const ScanCounts& counts() const override { return counts_; }
  std::size_t bytes() const override { return 0; }

 private:
  Result<bool> take(const Collection& collection, std::string_view place, std::uint64_t& budget,
                    const FindRun::Take& show) {
    ++counts_.documents;
    const std::string_view id_key = InsertionOrder::id_key_of(place);
    const Record& record = *collection.find(id_key);
    spend_on(record, budget);
    if (query_.filter != nullptr) {
      DISTRI_TRY(const bool matched, query_.filter->check(record.document));
      if (!matched) return true;
    }
    position_.clear();
    append_insertion_position(position_, record, id_key, descending_);
    return page_.take(record, position_, show);
  }

  bool pause_at(const std::string& place) {
    at_ = place;
    return false;
  }

  const FindQuery& query_;
  bool descending_;
  PageWriter page_;
  std::optional<std::string> at_;  // the place that was visited last
  Bytes position_;
  ScanPlan plan_;
  ScanCounts counts_;
};

}  // namespace

std::unique_ptr<OrderedRead> read_by_id(const FindQuery& query, Start start) {
  return std::make_unique<ReadById>(query, std::move(start));
}

std::unique_ptr<OrderedRead> read_in_insertion_order(const FindQuery& query, const Start& start) {
  return std::make_unique<InsertionWalk>(query, start);
}

}  // namespace distri::db
