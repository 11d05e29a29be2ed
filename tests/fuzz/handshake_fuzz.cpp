// Encrypted links against strangers: any bytes to a fresh side, and an exchange of two sides whose flights are cut,
// changed, doubled and mixed. Properties: no crash; nothing is delivered before the handshake is done; a side that is
// open knows the true key of the other; a side that has failed says why and stays so; what it answers is bounded; the
// end does not depend on how the bytes were cut; OpenSSL's queue of errors is empty after every call.
#define OPENSSL_SUPPRESS_DEPRECATED  // its randomness is replaced, so that one input does the same each time
#include <openssl/err.h>
#include <openssl/rand.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "choices.hpp"
#include "distri/net/tls_stream.hpp"
#include "distri/utils/random.hpp"

namespace {

using namespace distri;
using namespace distri::net;
using State = TlsStream::State;
using wire::Side;

constexpr std::size_t kAnswerBytesMax = 64u << 10;

void require(bool condition) {
  if (!condition) std::abort();
}

Random& randomness() {
  static Random random(1);
  return random;
}

int draw(unsigned char* bytes, int size) {
  for (int i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(randomness().next());
  return 1;
}
int is_ready() {
  return 1;
}

void begin_anew() {
  static const RAND_METHOD method{nullptr, &draw, nullptr, nullptr, &draw, &is_ready};
  static const bool replaced = RAND_set_rand_method(&method) == 1;
  require(replaced);
  randomness() = Random(1);
}

const SigningKey& key_of_side(Side side) {
  static const SigningKey dialling = SigningKey::from_seed(std::string(kSeedBytes, 'd'));
  static const SigningKey accepting = SigningKey::from_seed(std::string(kSeedBytes, 'a'));
  return side == Side::kDialled ? dialling : accepting;
}

// A side with everything made anew, so that no input depends on the one before.
class End {
 public:
  explicit End(Side side)
      : side_(side), stream_(std::static_pointer_cast<TlsImpl>(*Tls::with_key(key_of_side(side))), side, "peer", {}) {
    if (side == Side::kDialled) stream_.start(out_);
  }

  void feed(BytesView bytes, std::size_t piece) {
    while (!bytes.empty()) {
      const BytesView now = bytes.substr(0, piece);
      bytes.remove_prefix(now.size());
      const State before = stream_.state();
      std::string plain(now.size() + kTlsRecordBytesMax, '\0');
      const std::size_t size = stream_.receive(now, plain.data(), plain.size(), out_);
      received_.append(plain, 0, size);
      require(ERR_peek_error() == 0);
      require(out_.size() <= kAnswerBytesMax + 2 * now.size());
      const State after = stream_.state();
      if (before == State::kFailed || before == State::kNotTls) require(after == before && size == 0);
      if (after == State::kHandshake) require(size == 0);
      if (after == State::kFailed || after == State::kNotTls) require(!stream_.failure().message.empty());
      if (after == State::kOpen) {
        const Side other = side_ == Side::kDialled ? Side::kAccepted : Side::kDialled;
        require(stream_.peer_key() == key_of_side(other).public_key());
      }
    }
  }
  Bytes take() { return std::exchange(out_, {}); }
  TlsStream& stream() { return stream_; }
  const Bytes& received() const { return received_; }

 private:
  Side side_;
  TlsStream stream_;
  Bytes out_;
  Bytes received_;
};

void bend(Bytes& bytes, const Bytes& earlier, fuzz::Choices& choices) {
  const auto place = [&] { return (choices.below(256) * 256 + choices.below(256)) % (bytes.size() + 1); };
  switch (choices.below(6)) {
    case 0:
      break;
    case 1:
      bytes.resize(place());
      break;
    case 2:
      if (!bytes.empty()) bytes[place() % bytes.size()] = static_cast<char>(choices.below(256));
      break;
    case 3:
      bytes.insert(place(), Bytes(1 + choices.below(20), static_cast<char>(choices.below(256))));
      break;
    case 4:
      bytes.insert(place(), earlier);
      break;
    default:
      bytes.erase(place(), 1 + choices.below(64));
      break;
  }
}

void bent_exchange(fuzz::Choices& choices) {
  begin_anew();
  End dialling(Side::kDialled);
  End accepting(Side::kAccepted);
  Bytes earlier;
  bool intact = true;
  Bytes said[2];
  for (int flight = 0; flight < 8; ++flight) {
    End& from = flight % 2 == 0 ? dialling : accepting;
    End& to = flight % 2 == 0 ? accepting : dialling;
    if (flight >= 4 && from.stream().may_send()) {
      Bytes out;
      const std::string word = "word " + std::to_string(flight);
      from.stream().send(word, out);
      said[flight % 2] += word;
      Bytes bytes = from.take() + out;
      const Bytes before = bytes;
      bend(bytes, earlier, choices);
      intact = intact && bytes == before;
      to.feed(bytes, 1 + choices.below(256));
      continue;
    }
    Bytes bytes = from.take();
    const Bytes before = bytes;
    bend(bytes, earlier, choices);
    intact = intact && bytes == before;
    to.feed(bytes, 1 + choices.below(256) * 4);
    earlier = before;
  }
  // What arrives is what was said, from its beginning and without a gap.
  require(said[0].starts_with(accepting.received()));
  require(said[1].starts_with(dialling.received()));
  if (intact) {
    require(dialling.stream().state() == State::kOpen && accepting.stream().state() == State::kOpen);
    require(said[0] == accepting.received() && said[1] == dialling.received());
  }
  dialling.stream().end_of_input();
  accepting.stream().end_of_input();
  require(dialling.stream().state() != State::kOpen && accepting.stream().state() != State::kOpen);
}

std::pair<State, Code> fresh_side(Side side, BytesView bytes, std::size_t piece) {
  begin_anew();
  End end(side);
  end.feed(bytes, piece);
  require(end.received().empty());
  require(end.stream().state() != State::kOpen);
  return {end.stream().state(), end.stream().failure().code};
}

}  // namespace

// First byte: 0 and 1: the rest goes to an accepting or a dialling side; else the rest are choices.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  if (data[0] % 3 == 2) {
    fuzz::Choices choices(data + 1, size - 1);
    bent_exchange(choices);
    return 0;
  }
  const Side side = data[0] % 3 == 0 ? Side::kAccepted : Side::kDialled;
  const BytesView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  require(fresh_side(side, bytes, 4096) == fresh_side(side, bytes, 1));
  return 0;
}
