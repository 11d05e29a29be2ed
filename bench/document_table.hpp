// document_table.hpp: what documents must look like, made before the run: the check of a reply with a hundred of them
// is then a comparison, and the generator costs less than what it measures.
//
// Threads: constant after construction.
#pragma once

#include <cstdint>
#include <vector>

#include "distri/utils/bytes.hpp"

namespace bench {

class DocumentTable {
 public:
  DocumentTable() = default;
  // append(out, number): for 0 .. count-1.
  template <class Append>
  DocumentTable(std::uint64_t count, const Append& append) {
    ends_.reserve(count);
    for (std::uint64_t number = 0; number < count; ++number) {
      append(bytes_, number);
      ends_.push_back(bytes_.size());
    }
  }

  bool empty() const { return ends_.empty(); }
  distri::BytesView at(std::uint64_t number) const {
    const std::size_t begin = number == 0 ? 0 : ends_[number - 1];
    return distri::BytesView(bytes_).substr(begin, ends_[number] - begin);
  }

 private:
  distri::Bytes bytes_;
  std::vector<std::size_t> ends_;
};

}  // namespace bench
