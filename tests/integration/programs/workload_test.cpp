// The load generator's own checks: a reply that is not exactly what it must be counts as an error.
#include "workload.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using bench::Options;
using bench::Request;
using bench::Requests;
using bench::Workload;

Options options_for(Workload workload) {
  Options options;
  options.workload = workload;
  options.documents = 1000;
  return options;
}

TEST_CASE("a prepared document has the size that was asked for") {
  for (const std::uint32_t bytes : {60U, 100U, 1000U}) CHECK(bench::document_text(123, bytes).size() == bytes);
}

TEST_CASE("the reply to an add must name the document's id") {
  const Options options = options_for(Workload::kAdd);
  Requests requests(options, "things");
  Request request;
  requests.make(request);
  CHECK(*request.service == "AddDocument<things>");
  CHECK(request.body == bench::document_text(request.number, options.doc_bytes));
  CHECK_FALSE(request.id.empty());
  CHECK(requests.right(request, R"({"_id":"k0000001000"})"));
  CHECK_FALSE(requests.right(request, R"({"_id":"k0000001001"})"));
  CHECK_FALSE(requests.right(request, ""));
}

TEST_CASE("a write concern travels as the parameter w of adds, updates and deletes") {
  for (const char* w : {"2", "\"majority\""}) {
    for (const Workload workload : {Workload::kAdd, Workload::kUpdate}) {
      Options options = options_for(workload);
      options.w = w;
      Requests requests(options, "things");
      Request request;
      requests.make(request);
      CHECK(request.params == R"({"w":)" + std::string(w) + "}");
    }
  }
  Options options = options_for(Workload::kDelete);
  options.w = "\"all\"";
  Requests requests(options, "things");
  Request request;
  requests.make(request);
  CHECK(*request.service == "DeleteDocument<things>");
  CHECK(request.params == R"({"filter":{"_id":"k0000000000"},"w":"all"})");
  requests.make(request);
  CHECK(request.params == R"({"filter":{"_id":"k0000000001"},"w":"all"})");
  CHECK(requests.right(request, R"({"deleted":1})"));
  CHECK_FALSE(requests.right(request, R"({"deleted":0})"));
}

TEST_CASE("the reply to a get must hold exactly the document, unchanged") {
  const Options options = options_for(Workload::kGet);
  Requests requests(options, "things");
  Request request;
  requests.make(request);
  const std::string text = bench::document_text(request.number, options.doc_bytes);
  std::string altered = text;
  altered[altered.size() - 4] ^= 1;
  CHECK(requests.right(request, R"({"documents":[)" + text + "]}"));
  CHECK_FALSE(requests.right(request, R"({"documents":[)" + altered + "]}"));
  CHECK_FALSE(requests.right(request, R"({"documents":[)" + text + "," + text + "]}"));
  CHECK_FALSE(requests.right(request, R"({"documents":[]})"));
}

TEST_CASE("an update must not have inserted") {
  const Options options = options_for(Workload::kUpdate);
  Requests requests(options, "things");
  Request request;
  requests.make(request);
  const std::string id = bench::document_text(request.number, 0).substr(8, 11);
  CHECK(requests.right(request, R"({"_id":")" + id + R"(","inserted":false})"));
  CHECK_FALSE(requests.right(request, R"({"_id":")" + id + R"(","inserted":true})"));
}

TEST_CASE("an update by operator says $set, and must not have inserted either") {
  const Options options = options_for(Workload::kSet);
  Requests requests(options, "things");
  Request request;
  requests.make(request);
  const std::string id = bench::document_text(request.number, 0).substr(8, 11);
  CHECK(request.body.starts_with(R"({"_id":")" + id + R"(","$set":{"n":)"));
  CHECK(requests.right(request, R"({"_id":")" + id + R"(","inserted":false})"));
  CHECK_FALSE(requests.right(request, R"({"_id":")" + id + R"(","inserted":true})"));
}

// A reply with so many documents from that one on.
std::string page(std::uint64_t first, std::uint64_t documents, const Options& options) {
  std::string text = R"({"documents":[)";
  for (std::uint64_t i = 0; i < documents; ++i) {
    text += (i == 0 ? "" : ",") + bench::document_text(first + i, options.doc_bytes);
  }
  return text + "]}";
}

TEST_CASE("a read, a scan and a range must give all their documents in order and no more") {
  for (const Workload workload : {Workload::kRead, Workload::kScan, Workload::kRange}) {
    const std::uint64_t documents = workload == Workload::kRange ? bench::kRangeDocuments : bench::kReadDocuments;
    Options options = options_for(workload);
    Requests requests(options, "things");
    Request request;
    requests.make(request);
    CHECK(requests.right(request, page(request.number, documents, options)));
    CHECK_FALSE(requests.right(request, page(request.number, documents - 1, options)));
    CHECK_FALSE(requests.right(request, page(request.number, documents + 1, options)));
    CHECK_FALSE(requests.right(request, page(request.number + 1, documents, options)));
    std::string swapped = page(request.number + 1, documents - 1, options);
    swapped.insert(swapped.size() - 2, "," + bench::document_text(request.number, options.doc_bytes));
    CHECK_FALSE(requests.right(request, swapped));
  }
}

TEST_CASE("a range is sorted and limited, and a scan is neither, in both formats") {
  for (const auto format : {distri::wire::Format::kJson, distri::wire::Format::kBson}) {
    for (const Workload workload : {Workload::kScan, Workload::kRange}) {
      Options options = options_for(workload);
      options.format = format;
      Requests requests(options, "things");
      Request request;
      requests.make(request);
      for (const char* part : {"sort", "limit"})
        CHECK((request.params.find(part) != std::string::npos) == (workload == Workload::kRange));
    }
  }
}

TEST_CASE("an echo must be equal, and an encrypted picture a PNG") {
  Options options = options_for(Workload::kEcho);
  Requests requests(options, "things");
  Request request;
  requests.make(request);
  CHECK(request.body.size() == options.doc_bytes);
  CHECK(requests.right(request, request.body));
  CHECK_FALSE(requests.right(request, request.body + "x"));

  Options pictures = options_for(Workload::kEncrypt);
  pictures.image = bench::make_bmp(20, 10);
  CHECK(pictures.image.size() == 54 + 60 * 10);
  Requests encrypts(pictures, "things");
  encrypts.make(request);
  CHECK(request.body == pictures.image);
  CHECK(encrypts.right(request, std::string("\x89PNG\r\n\x1a\n") + std::string(1000, 'x')));
  CHECK_FALSE(encrypts.right(request, std::string(1000, 'x')));
}

}  // namespace
