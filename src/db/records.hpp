// records.hpp: the records of a collection in the order of their keys.
//
// A tree of places; a place is the first sixteen bytes of a key and a pointer to the node that holds the whole key and
// the record. Most keys are told apart by those bytes (an ObjectId's fits whole), so a search touches the nodes of the
// tree, a quarter of a kilobyte each, and at its end one record. Reads like a std::map of string_view to Record: an
// iterator gives {first, second}, by value.
//
// Invariant: a node's key and address do not change while it is here. Threads: values. Errors: none.
#pragma once

#include <absl/container/btree_set.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include "distri/bson/document.hpp"
#include "distri/db/revision.hpp"

namespace distri::db {

struct Record {
  bson::StoredDocument document;
  Revision revision;
};

class Records {
  using KeySize = std::uint16_t;

  // Behind it lie the key's size, as two bytes, and the key.
  struct Node {
    Record record;

    const char* tail() const { return reinterpret_cast<const char*>(this + 1); }
    std::string_view key() const {
      KeySize size;
      std::memcpy(&size, tail(), sizeof size);
      return {tail() + sizeof size, size};
    }
  };

  // Compared as the bytes are.
  struct Prefix {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    static Prefix of(std::string_view key) {
      Prefix prefix;
      unsigned char bytes[16] = {};
      if (!key.empty()) std::memcpy(bytes, key.data(), key.size() < sizeof bytes ? key.size() : sizeof bytes);
      std::memcpy(&prefix.high, bytes, 8);
      std::memcpy(&prefix.low, bytes + 8, 8);
      if constexpr (std::endian::native == std::endian::little) {
        prefix.high = __builtin_bswap64(prefix.high);
        prefix.low = __builtin_bswap64(prefix.low);
      }
      return prefix;
    }
  };
  struct Place {
    Prefix prefix;
    Node* node;

    std::string_view key() const { return node->key(); }
  };
  // A key that is looked for.
  struct Probe {
    Prefix prefix;
    std::string_view bytes;

    std::string_view key() const { return bytes; }
  };
  struct Order {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      if (a.prefix.high != b.prefix.high) return a.prefix.high < b.prefix.high;
      if (a.prefix.low != b.prefix.low) return a.prefix.low < b.prefix.low;
      return a.key() < b.key();
    }
  };
  using Places = absl::btree_set<Place, Order>;

 public:
  struct Entry {
    std::string_view first;  // valid as long as the record is here
    const Record& second;
  };

  class const_iterator {
   public:
    using iterator_category = std::bidirectional_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using reference = Entry;
    struct pointer {
      Entry entry;
      const Entry* operator->() const { return &entry; }
    };

    const_iterator() = default;
    Entry operator*() const { return {at_->node->key(), at_->node->record}; }
    pointer operator->() const { return {**this}; }
    const_iterator& operator++() {
      ++at_;
      return *this;
    }
    const_iterator& operator--() {
      --at_;
      return *this;
    }
    bool operator==(const const_iterator& other) const { return at_ == other.at_; }

   private:
    friend class Records;
    explicit const_iterator(Places::const_iterator at) : at_(at) {}
    Places::const_iterator at_;
  };
  using iterator = const_iterator;

  // What one record takes beside its document's and fields' own memory: its node, and its place in a tree that is
  // three quarters full or so.
  static constexpr std::size_t node_bytes(std::size_t key_size) { return sizeof(Node) + sizeof(KeySize) + key_size; }
  static constexpr std::size_t kPlaceBytes = sizeof(Place) * 4 / 3;

  Records() = default;
  Records(Records&& other) noexcept : places_(std::exchange(other.places_, {})) {}
  Records& operator=(Records&& other) noexcept {
    std::swap(places_, other.places_);
    return *this;
  }
  ~Records();

  const_iterator begin() const { return const_iterator(places_.begin()); }
  const_iterator end() const { return const_iterator(places_.end()); }
  const_iterator find(std::string_view key) const { return const_iterator(places_.find(probe(key))); }
  // The first that is not less than `key`; the first that is greater.
  const_iterator lower_bound(std::string_view key) const { return const_iterator(places_.lower_bound(probe(key))); }
  const_iterator upper_bound(std::string_view key) const { return const_iterator(places_.upper_bound(probe(key))); }
  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }

  // nullptr: none has that key. It stays where it is until it is erased.
  const Record* record(std::string_view key) const;
  // Preconditions: none has that key; it is shorter than 64 KiB.
  const Record& insert(std::string_view key, Record record);
  // Precondition: `old` is one of these.
  void replace(const Record& old, Record record) { const_cast<Record&>(old) = std::move(record); }
  void erase(const_iterator at);

 private:
  static Probe probe(std::string_view key) { return {Prefix::of(key), key}; }
  static void destroy(Node* node);

  Places places_;
};

}  // namespace distri::db
