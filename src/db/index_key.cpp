#include "distri/db/index_key.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;
using Field = IndexKeyMaker::Field;
using Fit = IndexKeys::Fit;

// How far one field has come on its way.
struct Walk {
  enum class State : std::uint8_t { kOnTheWay, kAtArray, kValue, kMissing };
  State state = State::kOnTheWay;
  Value value;           // of kValue; kAtArray: the array; kOnTheWay: an object or array
  std::size_t part = 0;  // the next part of the path

  void go(const Path& path) {
    while (state == State::kOnTheWay) {
      if (value.type() == Type::kArray) {
        state = State::kAtArray;
      } else if (part == path.size()) {
        state = State::kValue;
      } else if (value.type() != Type::kObject) {
        state = State::kMissing;
      } else if (const auto child = value.as_object().find(path[part].name)) {
        value = *child;
        ++part;
      } else {
        state = State::kMissing;
      }
    }
  }
};

class Expansion {
 public:
  Expansion(const std::vector<Field>& fields, IndexKeys& out) : fields_(fields), out_(out) {}

  // false: it does not fit.
  bool expand(std::vector<Walk> walks) {
    const char* array = nullptr;
    std::size_t first = 0;
    for (std::size_t i = 0; i < walks.size(); ++i) {
      walks[i].go(fields_[i].path);
      if (walks[i].state != Walk::State::kAtArray) continue;
      out_.multikey |= 1u << i;
      if (array == nullptr) {
        array = walks[i].value.raw().data();
        first = i;
      } else if (array != walks[i].value.raw().data()) {
        out_.fit = Fit::kParallelArrays;
        out_.parallel_a = fields_[first].key->path;
        out_.parallel_b = fields_[i].key->path;
        return false;
      }
    }
    return array == nullptr ? emit(walks) : expand_array(walks, walks[first].value.as_object());
  }

 private:
  bool expand_array(const std::vector<Walk>& walks, bson::View array) {
    bool positional = false;
    for (std::size_t i = 0; i < walks.size(); ++i) {
      const Walk& walk = walks[i];
      positional |= at_array(walk) && walk.part < fields_[i].path.size() && fields_[i].path[walk.part].numeric;
    }
    if (array.empty()) {
      std::vector<Walk> next = walks;
      for (std::size_t i = 0; i < next.size(); ++i) {
        if (!at_array(next[i])) continue;
        const bool end = next[i].part == fields_[i].path.size();
        next[i].state = end ? Walk::State::kValue : Walk::State::kMissing;
        next[i].value = Value(Type::kUndefined, {});
      }
      return expand(std::move(next));
    }
    for (const bson::Element& item : array) {
      if (!expand(element_walks(walks, item.value))) return false;
      if (positional && !expand_position(walks, item)) return false;
    }
    return true;
  }

  static bool at_array(const Walk& walk) { return walk.state == Walk::State::kAtArray; }

  std::vector<Walk> element_walks(std::vector<Walk> walks, const Value& item) const {
    for (std::size_t i = 0; i < walks.size(); ++i) {
      if (!at_array(walks[i])) continue;
      walks[i].value = item;
      if (walks[i].part == fields_[i].path.size()) {
        walks[i].state = Walk::State::kValue;  // an array in an array is a value
      } else {
        // Arrays directly in arrays are not entered, unless by their index.
        walks[i].state = item.type() == Type::kObject ? Walk::State::kOnTheWay : Walk::State::kMissing;
      }
    }
    return walks;
  }

  // The element as what a number in the path names.
  bool expand_position(std::vector<Walk> walks, const bson::Element& item) {
    bool found = false;
    for (std::size_t i = 0; i < walks.size(); ++i) {
      Walk& walk = walks[i];
      if (!at_array(walk)) continue;
      const Path& path = fields_[i].path;
      if (walk.part < path.size() && path[walk.part].numeric && path[walk.part].name == item.key) {
        found = true;
        walk.value = item.value;
        ++walk.part;
        walk.state = walk.part == path.size() ? Walk::State::kValue : Walk::State::kOnTheWay;
      } else {
        walk.state = Walk::State::kMissing;
      }
    }
    return !found || expand(std::move(walks));
  }

  bool emit(const std::vector<Walk>& walks) {
    if (out_.keys.size() == kIndexKeysPerDocumentMax) {
      out_.fit = Fit::kTooMany;
      return false;
    }
    std::string key;
    for (std::size_t i = 0; i < walks.size(); ++i) {
      const std::size_t start = key.size();
      const bool found = walks[i].state == Walk::State::kValue;
      out_.exists |= found;
      // A key has at least a seventh of the bytes (an array of nulls): no need to make what is far too long.
      if (found && walks[i].value.raw().size() > 16 * kIndexKeyBytesMax) {
        out_.fit = Fit::kTooLong;
        return false;
      }
      bson::append_order_key(key, found ? walks[i].value : Value());
      if (fields_[i].key->descending) complement(key, start);
    }
    if (key.size() > kIndexKeyBytesMax) {
      out_.fit = Fit::kTooLong;
      return false;
    }
    out_.keys.push_back(std::move(key));
    return true;
  }

  const std::vector<Field>& fields_;
  IndexKeys& out_;
};

}  // namespace

IndexKeyMaker::IndexKeyMaker(const std::vector<SortKey>& fields) {
  for (const SortKey& field : fields) fields_.push_back({&field, split_path(field.path)});
}

IndexKeys IndexKeyMaker::keys_of(bson::View document) const {
  IndexKeys out;
  std::vector<Walk> walks(fields_.size());
  for (Walk& walk : walks) walk.value = Value(Type::kObject, document.bytes());
  if (!Expansion(fields_, out).expand(std::move(walks))) {
    out.keys.clear();
    return out;
  }
  std::sort(out.keys.begin(), out.keys.end());
  out.keys.erase(std::unique(out.keys.begin(), out.keys.end()), out.keys.end());
  return out;
}

std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

void complement(std::string& bytes, std::size_t from) {
  for (std::size_t i = from; i < bytes.size(); ++i) bytes[i] = static_cast<char>(~bytes[i]);
}

}  // namespace distri::db
