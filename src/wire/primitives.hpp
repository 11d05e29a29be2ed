// primitives.hpp: integers and byte strings <-> bytes. Little-endian, unaligned, bounded.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "distri/utils/bytes.hpp"

namespace distri::wire {

// Appends to a buffer owned by the caller.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void u16(std::uint16_t v) { integer(v); }
  void u32(std::uint32_t v) { integer(v); }
  void u64(std::uint64_t v) { integer(v); }
  void raw(BytesView bytes) { out_.append(bytes); }
  // Length (u8, u16 or u32), then the bytes. The caller guarantees that the length fits.
  void bytes8(BytesView bytes) { u8(static_cast<std::uint8_t>(bytes.size())), raw(bytes); }
  void bytes16(BytesView bytes) { u16(static_cast<std::uint16_t>(bytes.size())), raw(bytes); }
  void bytes32(BytesView bytes) { u32(static_cast<std::uint32_t>(bytes.size())), raw(bytes); }

 private:
  template <class T>
  void integer(T v) {
    char buffer[sizeof v];
    for (std::size_t i = 0; i < sizeof v; ++i) buffer[i] = static_cast<char>(v >> (8 * i));
    out_.append(buffer, sizeof v);
  }

  Bytes& out_;
};

// Reads from a view. A read past the end returns zero or empty and makes ok() false for good, so that a decoder can
// read all its fields and check once.
class Reader {
 public:
  explicit Reader(BytesView in) : in_(in) {}

  std::uint8_t u8() { return integer<std::uint8_t>(); }
  std::uint16_t u16() { return integer<std::uint16_t>(); }
  std::uint32_t u32() { return integer<std::uint32_t>(); }
  std::uint64_t u64() { return integer<std::uint64_t>(); }
  BytesView raw(std::size_t size) {
    if (size > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const BytesView result = in_.substr(0, size);
    in_.remove_prefix(size);
    return result;
  }
  BytesView bytes8() { return raw(u8()); }
  BytesView bytes16() { return raw(u16()); }
  BytesView bytes32() { return raw(u32()); }
  // Everything that is left.
  BytesView rest() { return raw(in_.size()); }
  // An Id of ids.hpp.
  template <class IdType>
  IdType id() {
    const BytesView view = raw(IdType::kSize);
    return ok_ ? IdType::from_view(view) : IdType{};
  }

  bool ok() const { return ok_; }
  bool at_end() const { return in_.empty(); }
  std::size_t remaining() const { return in_.size(); }

 private:
  template <class T>
  T integer() {
    const BytesView view = raw(sizeof(T));
    if (view.size() != sizeof(T)) return 0;
    T v = 0;
    for (std::size_t i = 0; i < sizeof v; ++i)
      v = static_cast<T>(v | static_cast<T>(static_cast<T>(static_cast<unsigned char>(view[i])) << (8 * i)));
    return v;
  }

  BytesView in_;
  bool ok_ = true;
};

}  // namespace distri::wire
