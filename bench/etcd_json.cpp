// etcd_json.cpp: POST /v3/kv/put on HTTP/1.1, one at a time on a connection that stays.
#include <fmt/format.h>

#include <charconv>
#include <iterator>

#include "etcd_protocol.hpp"

namespace bench {
namespace {

using distri::Bytes;
using distri::BytesView;
using distri::Code;
using distri::Result;

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_base64(Bytes& out, BytesView bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) out.push_back(i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63]);
  }
}

class Json final : public EtcdProtocol {
 public:
  explicit Json(std::string authority) : authority_(std::move(authority)) {}

  void append_preface(Bytes& /*out*/) override {}

  void append_put(Bytes& out, std::string_view key, std::string_view value, std::size_t tag) override {
    tag_ = tag;
    body_ = R"({"key":")";
    append_base64(body_, key);
    body_ += R"(","value":")";
    append_base64(body_, value);
    body_ += "\"}";
    fmt::format_to(
        std::back_inserter(out),
        "POST /v3/kv/put HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        authority_, body_.size(), body_);
  }

  Result<> receive(BytesView bytes, std::vector<std::size_t>& done, Bytes& /*out*/) override {
    received_ += bytes;
    const auto head_end = received_.find("\r\n\r\n");
    if (head_end == Bytes::npos) return {};
    if (!received_.starts_with("HTTP/1.1 200"))
      return distri::fail(Code::kInternal, "etcd answered '{}'", received_.substr(0, 300));
    constexpr std::string_view kLength = "Content-Length: ";
    const auto at = received_.find(kLength);
    if (at > head_end) return distri::fail(Code::kProtocolError, "etcd's answer has no length");
    std::size_t length = 0;
    std::from_chars(received_.data() + at + kLength.size(), received_.data() + head_end, length);
    if (received_.size() < head_end + 4 + length) return {};
    if (received_.find("revision", head_end) == Bytes::npos)
      return distri::fail(Code::kInternal, "etcd answered '{}'", received_.substr(head_end + 4, 300));
    received_.clear();
    done.push_back(tag_);
    return {};
  }

 private:
  std::string authority_;
  std::size_t tag_ = 0;
  Bytes body_, received_;
};

}  // namespace

std::unique_ptr<EtcdProtocol> make_json(const std::string& authority) {
  return std::make_unique<Json>(authority);
}

}  // namespace bench
