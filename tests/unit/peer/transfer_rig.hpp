// transfer_rig.hpp: what the tests of transfers share.
#pragma once

#include <fstream>

#include "direct_rig.hpp"
#include "distri/net/sha256.hpp"
#include "distri/peer/transfer.hpp"

namespace distri::peer {

inline void write_file(const std::filesystem::path& path, BytesView content) {
  std::ofstream(path, std::ios::binary) << content;
}

inline Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

// "aa", with the length and digest of `content`.
inline Download wanted(BytesView content) {
  Download download;
  download.id = "aa";
  download.bytes = content.size();
  download.digest = net::sha256(content);
  download.timeout_ms = 60'000;
  return download;
}

}  // namespace distri::peer
