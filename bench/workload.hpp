// workload.hpp: what distri-bench sends, and what must come back.
//
// Documents are determined by their number: {"_id":"k0000000123","n":123,"v":"..."}, so that every reply can be
// compared with what it must be, without keeping anything. They are built as text or as BSON once per request, by
// string operations: the generator must cost less than what it measures. Threads: one.
#pragma once

#include <cstdint>
#include <string>

#include "distri/utils/random.hpp"
#include "distri/wire/messages.hpp"
#include "document_table.hpp"
#include "options.hpp"

namespace bench {

struct Request {
  const std::string* service = nullptr;
  distri::Bytes params;
  distri::Bytes body;
  distri::RequestId id;  // zero for requests that change nothing
  Workload kind = Workload::kEcho;
  std::uint64_t number = 0;  // of the document
};

class Requests {
 public:
  Requests(const Options& options, const std::string& collection);

  // The next request; `request` is reused.
  void make(Request& request);
  // Is this the reply to that request?
  bool right(const Request& request, distri::BytesView reply);

 private:
  void append_document(distri::Bytes& out, std::uint64_t number);
  void make_add(Request& request);
  void make_get(Request& request);
  void make_update(Request& request, bool by_operator);
  void make_delete(Request& request);
  // The documents from request.number on, so many, by `n`.
  void make_read(Request& request, std::uint64_t documents);
  bool holds(distri::BytesView reply, std::uint64_t first, std::uint64_t documents);

  const Options& options_;
  bool bson_;
  std::string add_, read_, update_, delete_, echo_ = "Echo", encrypt_ = "Encrypt";
  distri::Random random_;
  std::uint64_t next_number_;
  std::uint64_t next_deleted_ = 0;
  distri::Bytes write_params_;  // the write concern
  std::uint64_t mixed_ = 0;
  distri::Bytes filler_;
  distri::Bytes expected_;   // reused
  DocumentTable documents_;  // for ranges
};

// The document as prepared before the run, as JSON text of `doc_bytes` bytes.
std::string document_text(std::uint64_t number, std::uint32_t doc_bytes);
void append_document_text(distri::Bytes& out, std::uint64_t number, std::uint32_t doc_bytes);

// Its parts, for other servers' forms of it: "k0000000123", and what is in `v`.
void append_document_id(distri::Bytes& out, std::uint64_t number);
void append_document_value(distri::Bytes& out, std::uint64_t number, std::uint32_t doc_bytes);

// A picture that needs no file: 24-bit BMP.
distri::Bytes make_bmp(std::uint32_t width, std::uint32_t height);

inline constexpr std::uint64_t kReadDocuments = 10;    // that each `read` and `scan` must find
inline constexpr std::uint64_t kRangeDocuments = 100;  // that each `range` must give, in order

}  // namespace bench
