#include "distri/services/envelope.hpp"

#include <sodium.h>

#include <cstring>

#include "distri/utils/check.hpp"

namespace distri::services {
namespace {

constexpr std::uint64_t kPurposeEncryption = 1;
constexpr std::uint64_t kPurposeKeyCheck = 2;

static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == Key32::kSize);
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == std::tuple_size_v<decltype(EnvelopeHeader::nonce)>);
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == kTagBytes);

const unsigned char* data_of(BytesView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* data_of(Bytes& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

std::uint64_t read_integer(BytesView bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i > 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[at + i - 1]);
  return value;
}

void write_integer(Bytes& bytes, std::size_t at, std::size_t size, std::uint64_t value) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
}

template <std::size_t kSize>
void read_array(BytesView bytes, std::size_t at, std::array<unsigned char, kSize>& array) {
  std::memcpy(array.data(), bytes.data() + at, kSize);
}

template <std::size_t kSize>
void write_array(Bytes& bytes, std::size_t at, const std::array<unsigned char, kSize>& array) {
  std::memcpy(bytes.data() + at, array.data(), kSize);
}

std::array<unsigned char, 16> key_check(const Key32& master, const std::array<unsigned char, 24>& nonce) {
  const Key32 check_key = subkey(master, kPurposeKeyCheck);
  std::array<unsigned char, 16> check{};
  crypto_generichash(check.data(), check.size(), nonce.data(), nonce.size(), check_key.bytes.data(), Key32::kSize);
  return check;
}

std::unexpected<Error> tampered() {
  return fail(Code::kDataLoss,
              "the image was tampered with or damaged: the key is right, but the contents fail authentication");
}

}  // namespace

bool has_envelope_magic(BytesView bytes) {
  return bytes.starts_with(kEnvelopeMagic);
}

Result<EnvelopeHeader> parse_envelope_header(BytesView envelope) {
  if (envelope.size() < kEnvelopeHeaderBytes) {
    return fail(Code::kDataLoss, "the image is damaged: it ends within the {} bytes of the envelope's header",
                kEnvelopeHeaderBytes);
  }
  const auto version = static_cast<std::uint8_t>(envelope[8]);
  if (version != kEnvelopeVersion) {
    return fail(Code::kInvalidArgument, "envelope version {} is unknown; this software reads version {}", version,
                kEnvelopeVersion);
  }
  const auto derivation = static_cast<std::uint8_t>(envelope[9]);
  if (derivation > 1) {
    return fail(Code::kInvalidArgument, "key derivation {} is unknown; this software knows 0 (none) and 1 (Argon2id)",
                derivation);
  }
  EnvelopeHeader header;
  header.derivation = static_cast<KeyDerivation>(derivation);
  header.argon2_passes = static_cast<std::uint32_t>(read_integer(envelope, 12, 4));
  header.argon2_memory_bytes = read_integer(envelope, 16, 8);
  read_array(envelope, 24, header.salt);
  read_array(envelope, 40, header.nonce);
  header.ciphertext_bytes = read_integer(envelope, 64, 8);
  read_array(envelope, 72, header.key_check);
  if (envelope[10] != 0 || envelope[11] != 0)
    return fail(Code::kDataLoss, "the image is damaged: reserved bytes are not zero");
  const bool costs_given = header.argon2_passes != 0 || header.argon2_memory_bytes != 0;
  if (header.derivation == KeyDerivation::kNone && costs_given) {
    return fail(Code::kDataLoss, "the image is damaged: costs of a passphrase are given where no passphrase is used");
  }
  if (header.ciphertext_bytes < kTagBytes + 1 || header.ciphertext_bytes > envelope.size() - kEnvelopeHeaderBytes) {
    return fail(Code::kDataLoss,
                "the image is damaged or cut: its envelope claims {} bytes of contents where {} are left",
                header.ciphertext_bytes, envelope.size() - kEnvelopeHeaderBytes);
  }
  return header;
}

Bytes write_envelope_header(const EnvelopeHeader& header) {
  Bytes bytes(kEnvelopeHeaderBytes, '\0');
  bytes.replace(0, kEnvelopeMagic.size(), kEnvelopeMagic);
  write_integer(bytes, 8, 1, kEnvelopeVersion);
  write_integer(bytes, 9, 1, static_cast<std::uint8_t>(header.derivation));
  write_integer(bytes, 12, 4, header.argon2_passes);
  write_integer(bytes, 16, 8, header.argon2_memory_bytes);
  write_array(bytes, 24, header.salt);
  write_array(bytes, 40, header.nonce);
  write_integer(bytes, 64, 8, header.ciphertext_bytes);
  write_array(bytes, 72, header.key_check);
  return bytes;
}

Bytes seal(BytesView file, const Key32& master, EnvelopeHeader header, std::size_t envelope_bytes) {
  init_sodium();
  DISTRI_CHECK(envelope_bytes >= file.size() + kEnvelopeOverheadBytes);
  randombytes_buf(header.nonce.data(), header.nonce.size());
  header.key_check = key_check(master, header.nonce);
  header.ciphertext_bytes = envelope_bytes - kEnvelopeHeaderBytes;

  Bytes envelope = write_envelope_header(header);
  envelope.reserve(envelope_bytes);
  envelope.append(file);
  envelope.push_back('\x80');
  envelope.resize(envelope_bytes, '\0');
  unsigned char* contents = data_of(envelope) + kEnvelopeHeaderBytes;
  const Key32 key = subkey(master, kPurposeEncryption);
  crypto_aead_xchacha20poly1305_ietf_encrypt(contents, nullptr, contents, header.ciphertext_bytes - kTagBytes,
                                             data_of(envelope), kEnvelopeHeaderBytes, nullptr, header.nonce.data(),
                                             key.bytes.data());
  return envelope;
}

Result<Bytes> open(BytesView envelope, const EnvelopeHeader& header, const Key32& master) {
  init_sodium();
  const auto check = key_check(master, header.nonce);
  if (sodium_memcmp(check.data(), header.key_check.data(), check.size()) != 0) {
    return fail(Code::kUnauthenticated, "wrong key or passphrase for this image");
  }
  const BytesView contents = envelope.substr(kEnvelopeHeaderBytes, header.ciphertext_bytes);
  Bytes file(contents.size() - kTagBytes, '\0');
  const Key32 key = subkey(master, kPurposeEncryption);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(data_of(file), nullptr, nullptr, data_of(contents), contents.size(),
                                                 data_of(envelope), kEnvelopeHeaderBytes, header.nonce.data(),
                                                 key.bytes.data()) != 0) {
    return tampered();
  }
  const std::size_t end = file.find_last_not_of('\0');
  if (end == Bytes::npos || file[end] != '\x80') return tampered();
  file.resize(end);
  return file;
}

}  // namespace distri::services
