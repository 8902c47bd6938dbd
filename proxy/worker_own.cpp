// The part of Worker where this process is a client of its own.

#include "net/socket.hpp"
#include "proxy/warm_up.hpp"
#include "proxy/worker.hpp"

#include <utility>

namespace weir::proxy {

/// It is none of the clients that are counted: neither what is limited nor a drain has to do with
/// it.
net::Fd Worker::add_own_client(OwnSessionPtr own) {
    std::pair<net::Fd, net::Fd> ends = net::connected_pair();
    if (ends.first.is_open()) {
        auto session = std::make_unique<ClientSession>(
            *this, std::move(ends.second), shared_.next_id.fetch_add(1), std::move(own));
        sessions_.push_back(*session.release());  // as those of others
    }
    return std::move(ends.first);
}

void Worker::warm_up() {
    post([](Worker& worker) {
        if (worker.warm_up_ != nullptr) {
            worker.warm_up_->begin();
        }
    });
}

}  // namespace weir::proxy
