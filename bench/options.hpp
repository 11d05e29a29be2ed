// options.hpp: the command line of distri-bench, checked. Errors: one sentence that names the option.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "distri/utils/address.hpp"
#include "distri/utils/bytes.hpp"
#include "distri/wire/messages.hpp"

namespace bench {

enum class Workload { kAdd, kGet, kUpdate, kRead, kMixed, kEcho, kEncrypt, kEncryptDirect };

struct Options {
  bool help = false;
  std::vector<distri::Address> nodes;
  Workload workload = Workload::kAdd;
  std::string workload_name;
  std::uint32_t clients = 50;  // connections
  std::uint32_t pipeline = 1;  // requests in flight on each
  std::uint64_t requests = 0;  // measured; 0: the workload's own default
  std::uint64_t warmup = 0;    // before them, not measured
  std::uint32_t doc_bytes = 100;
  std::uint64_t documents = 10'000;  // that are there for get, update, read and mixed
  distri::wire::Format format = distri::wire::Format::kJson;
  distri::Bytes image;  // for encrypt
  bool keep = false;    // the collection
  std::string json;     // file; empty: none
};

distri::Result<Options> parse_options(int argc, const char* const* argv);
std::string help_text();

}  // namespace bench
