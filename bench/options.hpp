// options.hpp: the command line of distri-bench, checked. Errors: one sentence that names the option.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "distri/utils/address.hpp"
#include "distri/utils/bytes.hpp"
#include "distri/wire/messages.hpp"
#include "member_key.hpp"

namespace bench {

enum class Workload {
  kAdd,
  kGet,
  kUpdate,
  kSet,
  kDelete,
  kRead,
  kRange,
  kScan,
  kMixed,
  kEcho,
  kEncrypt,
  kEncryptDirect,
  kFsync
};

struct Options {
  bool help = false;
  std::vector<distri::Address> nodes;
  std::string data_dir;  // of the member whose key is shown; empty: links in the clear
  MemberKey key;         // from there
  Workload workload = Workload::kAdd;
  std::string workload_name;
  std::uint32_t clients = 50;    // connections
  std::uint32_t pipeline = 1;    // requests in flight on each
  std::uint64_t requests = 0;    // measured; 0: the workload's own default
  std::uint32_t seconds = 0;     // measure so long instead; 0: `requests`
  std::uint32_t rate_per_s = 0;  // of all clients together, sent when due and not when a reply comes; 0: closed loop
  std::uint64_t warmup = 0;      // before them, not measured
  std::uint32_t doc_bytes = 100;
  std::uint64_t documents = 10'000;  // that are there for whatever reads or changes some
  std::uint64_t first_new = 0;       // the number of the first document to add; 0: `documents`
  distri::wire::Format format = distri::wire::Format::kJson;
  std::string w;                // write concern as JSON: 2 or "majority"; empty: the node's own rule
  distri::Bytes image;          // for encrypt
  bool keep = false;            // the collection
  bool prepared = false;        // the documents are in `collection` already; it is kept
  std::string collection;       // its name; empty: a fresh one
  std::string directory = ".";  // for fsync
  std::string json;             // file; empty: none
};

distri::Result<Options> parse_options(int argc, const char* const* argv);
std::string help_text();

}  // namespace bench
