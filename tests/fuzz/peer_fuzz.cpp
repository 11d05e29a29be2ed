// Everything of peers that comes from outside or from a disk, on any bytes: records, books, contacts, names, boxes; and
// calls to a ledger and the holdings of its viewer in any order, with anything replayed. Properties: no crash; what is
// accepted is within its bounds and is read back from its own encoding; a refusal changes nothing; no view is given or
// taken twice; what is given out never grows beyond what is granted, but by receipts.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>

#include "choices.hpp"
#include "distri/peer/limits.hpp"
#include "distri/peer/names.hpp"
#include "peer_pile.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using distri::fuzz::Choices;

void require(bool condition) {
  if (!condition) std::abort();
}

// A refusal is one printable sentence.
template <class T>
bool accepted(const Result<T>& result) {
  if (result) return true;
  require(!result.error().message.empty() && result.error().message.size() < 300);
  require(std::ranges::all_of(result.error().message, [](unsigned char c) { return c >= ' ' && c != 0x7f; }));
  return false;
}

template <class Record>
void check_record(bson::View document, Result<Record> (*read)(bson::View)) {
  const auto record = read(document);
  if (!accepted(record)) return;
  require(verify(*record).has_value());
  require(read(to_document(*record)).value() == *record);
}

void check_records(BytesView bytes) {
  const auto document = bson::validate(bytes);
  if (!document) return;
  check_record(*document, read_user);
  check_record(*document, read_catalog_entry);
  check_record(*document, read_request);
  check_record(*document, read_grant);
  check_record(*document, read_view_key);
  check_record(*document, read_receipt);
}

void check_entry(const Entry& entry) {
  require(entry.given_out() <= entry.issues.size() && entry.used() <= entry.given_out());
  require(entry.in_cloud() <= kEscrowMax);
  if (entry.grant) require(entry.remaining() <= entry.grant->views);
  if (entry.state() != Entry::State::kGranted) require(entry.remaining() == 0 && entry.image_key.empty());
  for (const auto& [view, serial] : entry.serial_of_view) require(entry.issues.at(serial - 1).view == view);
}

// A book that was read works: what was unfinished can be finished.
void check_ledger(Ledger ledger) {
  for (const auto& [id, entry] : ledger.entries()) check_entry(entry);
  const Bytes bytes = ledger.encode();
  require(Ledger::load(peer::fuzz::key("ada"), bytes)->encode() == bytes);
  const auto rest = ledger.unfinished();
  for (const Grant& grant : rest.publish) require(verify(grant).has_value());
  for (const ViewKey& placed : rest.place) require(ledger.on_placed(placed.grant, placed.serial, true).has_value());
  for (const auto& taken : rest.take_out) require(ledger.on_taken_back(taken.grant, taken.serial, false).has_value());
  for (const Grant& grant : rest.publish) {
    static_cast<void>(accepted(ledger.give_view(grant.id, grant.to, peer::fuzz::make_id<ViewId>(200))));
    static_cast<void>(accepted(ledger.change_views(grant.id, 1)));
    static_cast<void>(accepted(ledger.revoke(grant.id)));
  }
  for (const auto& [id, entry] : ledger.entries()) check_entry(entry);
}

void check_holdings(BytesView bytes) {
  const auto holdings = Holdings::load(peer::fuzz::key("bob"), bytes);
  if (!accepted(holdings)) return;
  require(holdings->encode() == bytes);
  for (const auto& [id, holding] : holdings->all()) {
    require(!holding.ask || holding.state() == Holding::State::kGranted);
    require(!holding.taking || !holding.used.contains(holding.taking->serial));
    for (const auto& [serial, at_ms] : holding.to_withdraw) require(holdings->withdrawal(id, serial).has_value());
  }
}

void check_contacts(BytesView bytes) {
  auto contacts = Contacts::load(bytes);
  if (!accepted(contacts)) return;
  require(contacts->encode() == bytes);
  for (const auto& [key, contact] : contacts->all()) {
    require(contacts->find(key.hex()).value() == &contact);
    for (const std::string& name : contact.names) require(contacts->find(name).value() == &contact);
  }
  static_cast<void>(accepted(contacts->see(peer::fuzz::user("eve", "Ada", 9))));
  require(Contacts::load(contacts->encode())->all() == contacts->all());
}

void check_name(std::string_view text) {
  if (accepted(check_resource_name(text))) {
    require(text.find_first_of(std::string_view("/\\\0\n\x1b", 5)) == std::string_view::npos);
    require(!text.empty() && text != "." && text != ".." && text.size() <= kResourceNameBytesMax);
    bson::Builder document;
    document.append_string("name", text);
    require(bson::validate(std::move(document).finish().bytes()).has_value());  // UTF-8, as the database sees it
  }
  if (accepted(check_user_name(text))) require(!reads_as_key(text));
  static_cast<void>(accepted(check_kind(text)));
  static_cast<void>(accepted(Contacts().find(text)));
}

// Ada's ledger, two devices of Bob and everything that was ever said, in any order.
class Calls {
 public:
  explicit Calls(Choices choices) : choices_(choices) {
    for (unsigned i = 0; i < 2; ++i) {
      devices_.emplace_back(peer::fuzz::key("bob"), peer::fuzz::make_id<DeviceId>(i));
    }
  }

  void run() {
    for (int i = 0; i < 48 && !choices_.over(); ++i) {
      number_ = number(2);
      id_ = peer::fuzz::grant_id(number_);
      const std::uint32_t out_before = out();
      const Bytes before = ledger_.encode();
      const bool done = choices_.below(2) == 0 ? call_owner() : call_viewer();
      if (!done) require(ledger_.encode() == before);
      const Entry* entry = ledger_.find(id_);
      if (entry == nullptr) continue;
      check_entry(*entry);
      if (out() > out_before && !receipt_) require(entry->grant && out() <= entry->grant->views);
    }
    check_ledger(Ledger::load(peer::fuzz::key("ada"), ledger_.encode()).value());
    for (const Holdings& device : devices_) check_holdings(device.encode());
  }

 private:
  std::uint32_t out() const {
    const Entry* entry = ledger_.find(id_);
    return entry == nullptr ? 0 : entry->given_out();
  }
  std::uint32_t number(std::uint32_t bound) { return static_cast<std::uint32_t>(choices_.below(bound)); }
  template <class T>
  const T* any(const std::vector<T>& all) {
    return all.empty() ? nullptr : &all[choices_.below(all.size())];
  }

  bool keep(const Result<Ledger::Effects>& effects) {
    if (!accepted(effects)) return false;
    for (const Grant& grant : effects->publish) grants_.push_back(grant);
    for (const ViewKey& placed : effects->place) keys_.push_back(placed);
    return true;
  }

  bool call_owner() {
    receipt_ = false;
    switch (choices_.below(10)) {
      case 0:
        return keep(ledger_.approve(id_, number(5), peer::fuzz::sealed_image()));
      case 1:
        return keep(ledger_.refuse(id_));
      case 2:
        return keep(ledger_.change_views(id_, number(8)));
      case 3:
        return keep(ledger_.revoke(id_));
      case 4:
        return keep(ledger_.put_in_escrow(id_, number(4)));
      case 5:
        return keep(ledger_.take_back(id_, number(4)));
      case 6:
        return keep(ledger_.on_placed(id_, number(8), choices_.below(2) == 0));
      case 7:
        return keep(ledger_.on_taken_back(id_, number(8), choices_.below(2) == 0));
      case 8:
        return keep(ledger_.forget(id_));
      default:
        receipt_ = true;
        if (const Receipt* receipt = any(receipts_)) return keep(ledger_.on_receipt(*receipt));
        return false;
    }
  }

  bool call_viewer() {
    receipt_ = false;
    Holdings& device = devices_[choices_.below(2)];
    const auto remember = [&](const Result<Request>& request) {
      if (accepted(request)) requests_.push_back(*request);
      return false;
    };
    switch (choices_.below(10)) {
      case 0:
        return remember(device.request(number_, ledger_.owner(), "photo.png", 1 + number(3), 0));
      case 1:
        return remember(device.change_views(id_, number(4)));
      case 2:
        return remember(device.withdraw(id_));
      case 3:
      case 4:
        if (const Request* request = any(requests_)) return keep(ledger_.on_request(*request));
        return false;
      case 5:
        if (const Grant* grant = any(grants_)) static_cast<void>(accepted(device.on_grant(*grant)));
        return false;
      case 6: {
        const auto ask = device.ask_view(id_, peer::fuzz::make_id<ViewId>(number(12)));
        if (!accepted(ask)) return false;
        const auto given = ledger_.give_view(id_, device.viewer(), *ask);
        if (!accepted(given)) return false;
        keys_.push_back(given->key);
        return true;
      }
      case 7:
        if (const ViewKey* view_key = any(keys_); view_key != nullptr && accepted(device.accept(*view_key))) {
          // A view that was asked for is shown once on each device (two have drawn the same id here, now and then).
          require(shown_.emplace(device.device(), view_key->grant, view_key->serial).second);
        }
        return false;
      case 8:
        if (const ViewKey* view_key = any(keys_)) {
          if (const auto receipt = device.take(*view_key, 0); accepted(receipt)) receipts_.push_back(*receipt);
        }
        return false;
      default: {
        const std::uint32_t serial = number(8);
        const auto taken = device.taken(id_, serial, choices_.below(2) == 0, 0);
        if (const auto receipt = device.withdrawal(id_, serial); accepted(receipt)) receipts_.push_back(*receipt);
        if (accepted(taken) && !taken->empty()) require(shown_.emplace(device.device(), id_, serial).second);
        return false;
      }
    }
  }

  Choices choices_;
  Ledger ledger_{peer::fuzz::key("ada")};
  std::vector<Holdings> devices_;
  std::vector<Request> requests_;
  std::vector<Grant> grants_;
  std::vector<ViewKey> keys_;
  std::vector<Receipt> receipts_;
  std::set<std::tuple<DeviceId, GrantId, std::uint32_t>> shown_;
  std::uint32_t number_ = 0;
  GrantId id_;
  bool receipt_ = false;
};

}  // namespace

// First byte: what.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const BytesView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      check_records(bytes);
      break;
    case 1:
      if (auto ledger = Ledger::load(peer::fuzz::key("ada"), bytes); accepted(ledger)) check_ledger(*std::move(ledger));
      break;
    case 2: {
      Ledger ledger(peer::fuzz::key("ada"));
      const Bytes empty = ledger.encode();
      if (accepted(ledger.load_one(bytes))) {
        check_ledger(std::move(ledger));
      } else {
        require(ledger.encode() == empty);
      }
      break;
    }
    case 3:
      check_holdings(bytes);
      break;
    case 4:
      check_contacts(bytes);
      break;
    case 5:
      check_name(bytes);
      break;
    case 6:
      Calls(Choices(data + 1, size - 1)).run();
      break;
    default:
      static_cast<void>(accepted(open_sealed(peer::fuzz::key("bob"), bytes)));
      break;
  }
  return 0;
}
