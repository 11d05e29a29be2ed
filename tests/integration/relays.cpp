#include "relays.hpp"

#include <algorithm>
#include <array>
#include <asio.hpp>
#include <future>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace distri::test {

using asio::ip::tcp;

namespace {

tcp::endpoint endpoint_of(const Address& address) {
  return {asio::ip::make_address(address.host), address.port};
}

// One direction of a connection: what was read and not written yet.
struct Pump {
  tcp::socket* in = nullptr;
  tcp::socket* out = nullptr;
  std::array<char, 16'384> bytes{};
  std::size_t held = 0;
  bool waiting = false;  // it was silenced with `held` bytes
};

struct Link {
  explicit Link(asio::io_context& io) : near(io), far(io) {
    there = {.in = &near, .out = &far};
    back = {.in = &far, .out = &near};
  }
  void close() {
    asio::error_code ignored;
    near.close(ignored);
    far.close(ignored);
  }
  std::size_t from = Relays::kAnybody;
  std::size_t to = 0;
  bool known = false;  // `from` is
  tcp::socket near, far;
  Pump there, back;
};
using LinkPtr = std::shared_ptr<Link>;

}  // namespace

struct Relays::Impl {
  struct End {
    tcp::acceptor acceptor;
    Address address;
    std::string text;  // of the address
    Address goal;      // port 0: nobody is there
  };

  explicit Impl(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
      const Address address{"127.0.0.1", acceptor.local_endpoint().port()};
      ends.push_back({std::move(acceptor), address, to_string(address), {address.host, 0}});
    }
    for (std::size_t i = 0; i < count; ++i) accept(i);
    thread = std::thread([this] { io.run(); });
  }
  ~Impl() {
    io.stop();
    thread.join();
  }

  // On the thread; returns when it was done.
  template <class Function>
  void run(Function function) {
    std::promise<void> done;
    asio::post(io, [&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }

  const Cut* cut_of(const Link& link) const {
    const auto found = cuts.find(std::minmax({link.from, link.to}));
    return link.known && found != cuts.end() ? &found->second : nullptr;
  }

  void accept(std::size_t end) {
    auto link = std::make_shared<Link>(io);
    link->to = end;
    ends[end].acceptor.async_accept(link->near, [this, link, end](const asio::error_code& error) {
      if (!error) {
        std::erase_if(links, [](const auto& each) { return each.expired(); });
        links.push_back(link);
        read(link, link->there);
      }
      accept(end);
    });
  }

  void read(const LinkPtr& link, Pump& pump) {
    pump.in->async_read_some(asio::buffer(pump.bytes),
                             [this, link, &pump](const asio::error_code& error, std::size_t bytes) {
                               if (error) return link->close();
                               pump.held = bytes;
                               pass(link, pump);
                             });
  }

  // What was read, unless there is a cut.
  void pass(const LinkPtr& link, Pump& pump) {
    if (!link->known) {
      const std::string_view first(pump.bytes.data(), pump.held);
      const auto who = std::ranges::find_if(ends, [&](const End& each) { return first.contains(each.text); });
      link->from = who == ends.end() ? kAnybody : static_cast<std::size_t>(who - ends.begin());
      link->known = true;
    }
    if (const Cut* cut = cut_of(*link)) {
      if (*cut == Cut::kClosed) return link->close();
      pump.waiting = true;
      return;
    }
    if (link->far.is_open()) return write(link, pump);
    link->far.async_connect(endpoint_of(ends[link->to].goal), [this, link, &pump](const asio::error_code& error) {
      if (error) return link->close();
      read(link, link->back);
      write(link, pump);
    });
  }

  void write(const LinkPtr& link, Pump& pump) {
    asio::async_write(*pump.out, asio::buffer(pump.bytes.data(), pump.held),
                      [this, link, &pump](const asio::error_code& error, std::size_t) {
                        if (error) return link->close();
                        read(link, pump);
                      });
  }

  template <class Function>
  void for_links(std::size_t one, std::size_t other, Function function) {
    for (const auto& each : links) {
      const LinkPtr link = each.lock();
      if (link && link->known && std::minmax({link->from, link->to}) == std::minmax({one, other})) function(link);
    }
  }

  asio::io_context io{1};
  std::vector<End> ends;
  std::vector<std::weak_ptr<Link>> links;
  std::map<std::pair<std::size_t, std::size_t>, Cut> cuts;
  std::thread thread;
};

Relays::Relays(std::size_t ends) : impl_(std::make_unique<Impl>(ends)) {}
Relays::~Relays() = default;

const Address& Relays::address(std::size_t end) const {
  return impl_->ends[end].address;
}

void Relays::forward(std::size_t end, const Address& to) {
  impl_->run([&] { impl_->ends[end].goal = to; });
}

void Relays::cut(std::size_t one, std::size_t other, Cut how) {
  impl_->run([&] {
    impl_->cuts.insert_or_assign(std::minmax({one, other}), how);
    if (how == Cut::kClosed) impl_->for_links(one, other, [](const LinkPtr& link) { link->close(); });
  });
}

void Relays::mend(std::size_t one, std::size_t other) {
  impl_->run([&] {
    impl_->cuts.erase(std::minmax({one, other}));
    impl_->for_links(one, other, [&](const LinkPtr& link) {
      for (Pump* pump : {&link->there, &link->back}) {
        if (std::exchange(pump->waiting, false)) impl_->pass(link, *pump);
      }
    });
  });
}

}  // namespace distri::test
