#include "distri/db/collection.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "distri/db/collection_options.hpp"
#include "distri/db/index.hpp"
#include "distri/db/index_catalog.hpp"
#include "distri/utils/check.hpp"

namespace distri::db {
namespace {

// The name that occurs twice, if one does.
std::optional<std::string_view> duplicate_field(bson::View document) {
  constexpr std::size_t kQuadraticMax = 32;
  std::array<std::string_view, kQuadraticMax> names;
  std::size_t count = 0;
  for (const bson::Element& element : document) {
    if (count == kQuadraticMax) {
      std::vector<std::string_view> all;
      for (const bson::Element& each : document) all.push_back(each.key);
      std::sort(all.begin(), all.end());
      const auto twice = std::adjacent_find(all.begin(), all.end());
      return twice == all.end() ? std::nullopt : std::optional(*twice);
    }
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count), element.key) !=
        names.begin() + static_cast<std::ptrdiff_t>(count)) {
      return element.key;
    }
    names[count++] = element.key;
  }
  return std::nullopt;
}

// What an allocation takes from jemalloc, which the programs use: multiples of 16 up to 128, then four sizes to each
// doubling.
constexpr std::size_t allocated(std::size_t bytes) {
  const std::size_t step = bytes <= 128 ? 16 : std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

constexpr std::size_t kTextInPlaceMax = 15;  // a std::string holds so many itself

std::size_t allocated_text(std::size_t bytes) {
  return bytes <= kTextInPlaceMax ? 0 : allocated(bytes + 1);
}

std::size_t memory_of(std::string_view key, const Record& record) {
  const std::vector<FieldRevision>& fields = record.revision.fields();
  std::size_t bytes =
      Records::kPlaceBytes + allocated(Records::node_bytes(key.size())) + allocated(record.document.bytes().size());
  if (!fields.empty()) bytes += allocated(sizeof fields) + allocated(fields.size() * sizeof(FieldRevision));
  for (const FieldRevision& field : fields) {
    bytes += allocated_text(field.name.size());
    if (field.counter) {
      bytes += allocated(sizeof(Counter) + 16) + allocated(field.counter->parts.size() * sizeof(CounterPart));
    }
  }
  return bytes;
}

}  // namespace

Result<> check_document(bson::View document) {
  using bson::Type;
  constexpr std::size_t kShownMax = 100;
  if (document.bytes().size() > bson::kDocumentBytesMax) {
    return fail(Code::kTooLarge, "document: {} bytes are more than the limit of {}", document.bytes().size(),
                bson::kDocumentBytesMax);
  }
  const auto first = document.begin();
  if (first.at_end() || first->key != "_id") {
    return fail(Code::kInvalidArgument, "document: its first field must be '_id'");
  }
  const Type type = first->value.type();
  if (type == Type::kArray || type == Type::kRegex || type == Type::kUndefined) {
    return fail(Code::kInvalidArgument, "document: '_id' cannot be of type {}", type_name(type));
  }
  if (first->value.raw().size() > kIdBytesMax) {
    return fail(Code::kTooLarge, "document: '_id' takes {} bytes, at most {} are allowed", first->value.raw().size(),
                kIdBytesMax);
  }
  for (const bson::Element& element : document) {
    if (element.key.starts_with('$')) {
      return fail(Code::kInvalidArgument, "document: the field name '{}' must not begin with '$'",
                  element.key.substr(0, kShownMax));
    }
  }
  if (const auto name = duplicate_field(document)) {
    return fail(Code::kInvalidArgument, "document: the field '{}' occurs twice", name->substr(0, kShownMax));
  }
  return {};
}

Result<> check_collection_name(std::string_view name) {
  constexpr std::size_t kNameBytesMax = 120;
  if (name.empty()) return fail(Code::kInvalidArgument, "the collection name is empty");
  if (name.size() > kNameBytesMax) {
    return fail(Code::kInvalidArgument, "collection name '{}...': {} bytes are more than the limit of {}",
                name.substr(0, 40), name.size(), kNameBytesMax);
  }
  static constexpr auto kAllowed = [] {
    std::array<bool, 256> allowed{};
    for (int c = 0; c < 256; ++c) {
      allowed[static_cast<std::size_t>(c)] = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                                             (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    }
    return allowed;
  }();
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (!kAllowed[static_cast<unsigned char>(name[i])]) {
      return fail(Code::kInvalidArgument,
                  "collection name: the character at position {} is not one of A-Z a-z 0-9 _ . -", i);
    }
  }
  if (name.front() == '.') return fail(Code::kInvalidArgument, "collection name '{}' must not begin with '.'", name);
  if (name.starts_with("system.")) {
    return fail(Code::kInvalidArgument, "collection name '{}': names that begin with 'system.' are reserved", name);
  }
  return {};
}

Result<> check_stored_collection_name(std::string_view name) {
  const bool own = name == kIndexCollection || name == kOptionsCollection || name == kAccessCollection;
  return own ? Result<>() : check_collection_name(name);
}

const Record* Collection::find(std::string_view key) const {
  return records_.record(key);
}

Collection::Collection() = default;
Collection::Collection(Collection&&) noexcept = default;
Collection& Collection::operator=(Collection&&) noexcept = default;
Collection::~Collection() = default;

std::size_t Collection::memory_bytes() const {
  std::size_t bytes = record_memory_;
  for (const auto& index : indexes_) bytes += index->bytes();
  if (insertion_order_) bytes += insertion_order_->bytes();
  return bytes;
}

void Collection::put(std::string_view key, Record record, const Record* old) {
  bytes_ += record.document.bytes().size();
  record_memory_ += memory_of(key, record);
  if (old != nullptr) {
    for (const auto& index : indexes_) index->replace(key, *old, record.document);
    if (insertion_order_ && old->revision.stamp() != record.revision.stamp()) {
      insertion_order_->remove(old->revision.stamp(), key);
      insertion_order_->add(record.revision.stamp(), key);
    }
    bytes_ -= old->document.bytes().size();
    record_memory_ -= memory_of(key, *old);
    records_.replace(*old, std::move(record));
  } else {
    const Record& here = records_.insert(key, std::move(record));
    for (const auto& index : indexes_) index->add(key, here);
    if (insertion_order_) insertion_order_->add(here.revision.stamp(), key);
  }
}

bool Collection::erase(std::string_view key) {
  const auto at = records_.find(key);
  if (at == records_.end()) return false;
  for (const auto& index : indexes_) index->remove(key, at->second);
  if (insertion_order_) insertion_order_->remove(at->second.revision.stamp(), key);
  bytes_ -= at->second.document.bytes().size();
  record_memory_ -= memory_of(key, at->second);
  records_.erase(at);
  return true;
}

const Index* Collection::index(std::string_view name) const {
  const auto named = [name](const auto& index) { return index->definition().name == name; };
  const auto at = std::find_if(indexes_.begin(), indexes_.end(), named);
  return at == indexes_.end() ? nullptr : at->get();
}

Index& Collection::create_index(IndexDefinition definition) {
  DISTRI_CHECK(index(definition.name) == nullptr);
  return *indexes_.emplace_back(std::make_shared<Index>(std::move(definition), records_.empty()));
}

std::shared_ptr<Index> Collection::take_index(std::string_view name) {
  const auto named = [name](const auto& index) { return index->definition().name == name; };
  const auto at = std::find_if(indexes_.begin(), indexes_.end(), named);
  if (at == indexes_.end()) return nullptr;
  std::shared_ptr<Index> taken = std::move(*at);
  indexes_.erase(at);
  return taken;
}

void Collection::set_expire_after(std::string_view name, std::optional<std::int64_t> seconds) {
  const auto named = [name](const auto& index) { return index->definition().name == name; };
  const auto at = std::find_if(indexes_.begin(), indexes_.end(), named);
  DISTRI_CHECK(at != indexes_.end());
  (*at)->set_expire_after(seconds);
}

std::size_t Collection::build_indexes(std::size_t budget) {
  for (const auto& index : indexes_) {
    if (index->ready()) continue;
    auto at = records_.upper_bound(index->position());
    for (; at != records_.end() && budget > 0; ++at) {
      budget -= std::min(budget, index->visit(at->first, at->second));
    }
    if (at != records_.end()) return 0;
    index->finish();
  }
  return budget;
}

bool Collection::building_indexes() const {
  return std::any_of(indexes_.begin(), indexes_.end(), [](const auto& index) { return !index->ready(); });
}

void Collection::keep_insertion_order(bool keep) {
  if (keep == insertion_order_.has_value()) return;
  if (!keep) return insertion_order_.reset();
  insertion_order_.emplace();
  for (const auto& [key, record] : records_) insertion_order_->add(record.revision.stamp(), key);
}

std::optional<std::string> Collection::check_indexes() const {
  if (insertion_order_) {
    bool complete = insertion_order_->places().size() == records_.size();
    for (const auto& [key, record] : records_) {
      complete =
          complete && insertion_order_->places().contains(InsertionOrder::place_of(record.revision.stamp(), key));
    }
    if (!complete) return "the order of insertion is not that of the documents";
  }
  for (const auto& index : indexes_) {
    auto broken = index->check([this](const std::function<void(std::string_view, const Record&)>& see) {
      for (const auto& [key, record] : records_) see(key, record);
    });
    if (broken) return broken;
  }
  return std::nullopt;
}

}  // namespace distri::db
