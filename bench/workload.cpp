#include "workload.hpp"

#include <fmt/format.h>

#include <iterator>

#include "distri/bson/document.hpp"
#include "distri/wire/primitives.hpp"

namespace bench {
namespace {

using distri::Bytes;
using distri::BytesView;
using distri::bson::Builder;

constexpr distri::BytesView kPngSignature{"\x89PNG\r\n\x1a\n", 8};
constexpr std::size_t kAroundReplyBytesMax = 48;  // of a reply with documents, beside them
// Beside each document of a reply: a comma; an element's type and name, of up to two digits.
constexpr std::size_t kAroundJsonDocumentBytes = 1;
constexpr std::size_t kAroundBsonDocumentBytes = 4;

// Letters that differ from document to document.
void append_value(Bytes& out, std::uint64_t number, std::size_t bytes) {
  std::uint64_t state = number * 0x9e3779b97f4a7c15U + 1;
  for (std::size_t i = 0; i < bytes; ++i) {
    if (i % 8 == 0) state = state * 6364136223846793005U + 1442695040888963407U;
    out.push_back(static_cast<char>('a' + ((state >> (8 * (i % 8))) & 15)));
  }
}

std::size_t value_bytes(std::uint64_t number, std::uint32_t doc_bytes) {
  const std::size_t rest = fmt::formatted_size(R"({{"_id":"k{:010}","n":{},"v":""}})", number, number);
  return doc_bytes > rest ? doc_bytes - rest : 0;
}

void append_write_concern(Builder& params, const std::string& w) {
  if (w.empty()) return;
  if (w.front() == '"') {
    params.append_string("w", w.substr(1, w.size() - 2));
  } else {
    params.append_int32("w", std::stoi(w));
  }
}

// The parameters of an add or update.
Bytes write_parameters(const std::string& w, bool bson) {
  if (w.empty()) return {};
  if (!bson) return fmt::format(R"({{"w":{}}})", w);
  Builder params;
  append_write_concern(params, w);
  return std::move(params).finish().release();
}

bool contains(BytesView text, BytesView part) {
  return text.find(part) != BytesView::npos;
}

}  // namespace

void append_document_id(Bytes& out, std::uint64_t number) {
  fmt::format_to(std::back_inserter(out), "k{:010}", number);
}

void append_document_value(Bytes& out, std::uint64_t number, std::uint32_t doc_bytes) {
  append_value(out, number, value_bytes(number, doc_bytes));
}

void append_document_text(Bytes& out, std::uint64_t number, std::uint32_t doc_bytes) {
  fmt::format_to(std::back_inserter(out), R"({{"_id":"k{:010}","n":{},"v":")", number, number);
  append_document_value(out, number, doc_bytes);
  out += "\"}";
}

std::string document_text(std::uint64_t number, std::uint32_t doc_bytes) {
  std::string out;
  append_document_text(out, number, doc_bytes);
  return out;
}

Bytes make_bmp(std::uint32_t width, std::uint32_t height) {
  constexpr std::uint32_t kHeaderBytes = 54;
  const std::uint32_t row_bytes = (width * 3 + 3) / 4 * 4;
  Bytes out = "BM";
  distri::wire::Writer writer(out);
  writer.u32(kHeaderBytes + row_bytes * height);
  writer.u32(0);
  writer.u32(kHeaderBytes);
  writer.u32(40);  // bytes of the info header
  writer.u32(width);
  writer.u32(height);
  writer.u16(1);
  writer.u16(24);
  for (int i = 0; i < 6; ++i) writer.u32(0);
  distri::Random random(width);
  for (std::uint32_t i = 0; i < row_bytes * height; ++i) writer.u8(static_cast<std::uint8_t>(i + random.below(8)));
  return out;
}

Requests::Requests(const Options& options, const std::string& collection)
    : options_(options),
      bson_(options.format == distri::wire::Format::kBson),
      add_(fmt::format("AddDocument<{}>", collection)),
      read_(fmt::format("ReadCollection<{}>", collection)),
      update_(fmt::format("UpdateDocument<{}>", collection)),
      delete_(fmt::format("DeleteDocument<{}>", collection)),
      random_(distri::Random::from_system()),
      next_number_(options.first_new > 0 ? options.first_new : options.documents) {
  append_value(filler_, 1, options.doc_bytes);
  write_params_ = write_parameters(options.w, bson_);
  if (options.workload != Workload::kRange) return;
  documents_ =
      DocumentTable(options.documents, [this](Bytes& out, std::uint64_t number) { append_document(out, number); });
}

void Requests::append_document(Bytes& out, std::uint64_t number) {
  if (!bson_) return append_document_text(out, number, options_.doc_bytes);
  Bytes id;
  append_document_id(id, number);
  Bytes value;
  append_document_value(value, number, options_.doc_bytes);
  Builder document(options_.doc_bytes + 64);
  document.append_string("_id", id).append_int32("n", static_cast<std::int32_t>(number)).append_string("v", value);
  out += std::move(document).finish().bytes();
}

void Requests::make(Request& request) {
  request.params.clear();
  request.body.clear();
  request.id = {};
  request.kind = options_.workload;
  if (request.kind == Workload::kMixed) request.kind = mixed_++ % 2 == 0 ? Workload::kAdd : Workload::kGet;
  switch (request.kind) {
    case Workload::kAdd:
      return make_add(request);
    case Workload::kGet:
      return make_get(request);
    case Workload::kUpdate:
      return make_update(request, false);
    case Workload::kSet:
      return make_update(request, true);
    case Workload::kDelete:
      return make_delete(request);
    case Workload::kRead:
    case Workload::kScan:
      return make_read(request, kReadDocuments);
    case Workload::kRange:
      return make_read(request, kRangeDocuments);
    case Workload::kEncrypt:
      request.service = &encrypt_;
      request.body = options_.image;
      return;
    default:
      request.service = &echo_;
      request.body = filler_;
      return;
  }
}

void Requests::make_add(Request& request) {
  request.service = &add_;
  request.number = next_number_++;
  request.id = random_.id<distri::RequestId>();
  request.params = write_params_;
  append_document(request.body, request.number);
}

void Requests::make_get(Request& request) {
  request.service = &read_;
  request.number = random_.below(options_.documents);
  if (!bson_) {
    fmt::format_to(std::back_inserter(request.params), R"({{"filter":{{"_id":"k{:010}"}}}})", request.number);
    return;
  }
  Bytes id;
  append_document_id(id, request.number);
  Builder params;
  params.begin_object("filter").append_string("_id", id).end();
  request.params = std::move(params).finish().release();
}

void Requests::make_update(Request& request, bool by_operator) {
  request.service = &update_;
  request.number = random_.below(options_.documents);
  request.id = random_.id<distri::RequestId>();
  request.params = write_params_;
  const auto n = static_cast<std::int32_t>(random_.below(1'000'000));
  if (!bson_) {
    auto out = std::back_inserter(request.body);
    fmt::format_to(out, R"({{"_id":"k{:010}",)", request.number);
    if (by_operator) {
      fmt::format_to(out, R"("$set":{{"n":{}}}}})", n);
    } else {
      fmt::format_to(out, R"("n":{}}})", n);
    }
    return;
  }
  Bytes id;
  append_document_id(id, request.number);
  Builder fields;
  fields.append_string("_id", id);
  if (by_operator) fields.begin_object("$set");
  fields.append_int32("n", n);
  if (by_operator) fields.end();
  request.body = std::move(fields).finish().release();
}

// One after another: each document once.
void Requests::make_delete(Request& request) {
  request.service = &delete_;
  request.number = next_deleted_++;
  request.id = random_.id<distri::RequestId>();
  if (!bson_) {
    fmt::format_to(std::back_inserter(request.params), R"({{"filter":{{"_id":"k{:010}"}}{}{}}})", request.number,
                   options_.w.empty() ? "" : R"(,"w":)", options_.w);
    return;
  }
  Bytes id;
  append_document_id(id, request.number);
  Builder params;
  params.begin_object("filter").append_string("_id", id).end();
  append_write_concern(params, options_.w);
  request.params = std::move(params).finish().release();
}

void Requests::make_read(Request& request, std::uint64_t documents) {
  request.service = &read_;
  request.number = random_.below(options_.documents - documents + 1);
  const auto first = static_cast<std::int32_t>(request.number);
  const auto behind = static_cast<std::int32_t>(request.number + documents);
  const bool limited = request.kind != Workload::kScan;  // which would be over with the last document that matches
  const bool sorted = request.kind == Workload::kRange;
  if (!bson_) {
    auto out = std::back_inserter(request.params);
    fmt::format_to(out, R"({{"filter":{{"n":{{"$gte":{},"$lt":{}}}}})", first, behind);
    if (sorted) fmt::format_to(out, R"(,"sort":{{"n":1}})");
    if (limited) fmt::format_to(out, R"(,"limit":{})", documents);
    request.params += '}';
    return;
  }
  Builder params;
  params.begin_object("filter").begin_object("n").append_int32("$gte", first).append_int32("$lt", behind).end().end();
  if (sorted) params.begin_object("sort").append_int32("n", 1).end();
  if (limited) params.append_int32("limit", static_cast<std::int32_t>(documents));
  request.params = std::move(params).finish().release();
}

// So many documents, one behind the other, and nothing else but what is around each.
bool Requests::holds(BytesView reply, std::uint64_t first, std::uint64_t documents) {
  std::size_t at = 0, bytes = 0;
  for (std::uint64_t number = first; number < first + documents; ++number) {
    BytesView document;
    if (documents_.empty()) {
      expected_.clear();
      append_document(expected_, number);
      document = expected_;
    } else {
      document = documents_.at(number);
    }
    at = reply.find(document, at);
    if (at == BytesView::npos) return false;
    at += document.size();
    bytes += document.size() + (bson_ ? kAroundBsonDocumentBytes : kAroundJsonDocumentBytes);
  }
  return reply.size() <= bytes + kAroundReplyBytesMax;
}

bool Requests::right(const Request& request, BytesView reply) {
  expected_.clear();
  switch (request.kind) {
    case Workload::kAdd:
      append_document_id(expected_, request.number);
      return contains(reply, expected_);
    case Workload::kUpdate:
    case Workload::kSet:
      append_document_id(expected_, request.number);
      return contains(reply, expected_) &&
             contains(reply, bson_ ? BytesView("\x08inserted\0\0", 11) : BytesView("\"inserted\":false"));
    case Workload::kDelete:
      return contains(reply, bson_ ? BytesView("deleted\0\1\0\0\0", 12) : BytesView("\"deleted\":1}"));
    case Workload::kGet:
      return holds(reply, request.number, 1);
    case Workload::kRead:
    case Workload::kScan:
      return holds(reply, request.number, kReadDocuments);
    case Workload::kRange:
      return holds(reply, request.number, kRangeDocuments);
    case Workload::kEncrypt:
      return reply.starts_with(kPngSignature) && reply.size() > request.body.size();
    default:
      return reply == request.body;
  }
}

}  // namespace bench
