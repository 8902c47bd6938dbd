// The part of Server that opens what clients connect to, or takes over what the service manager has
// opened for it.

#include "base/log.hpp"
#include "proxy/server.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

/// @return whether a socket bound at `bound` is the one that `wanted` asks for
bool serves(const Endpoint& bound, const Endpoint& wanted) {
    if (bound.kind != wanted.kind) {
        return false;
    }
    if (bound.kind == Endpoint::Kind::Unix) {
        return bound.path == wanted.path;
    }
    const bool is_every = wanted.host == "*" || wanted.host == "0.0.0.0";
    const bool is_every_bound = bound.host == "0.0.0.0" || bound.host == "::";
    const bool is_same_host = bound.host == wanted.host || (is_every && is_every_bound) ||
                              (wanted.host == "localhost" && bound.host == "127.0.0.1");
    return bound.port == wanted.port && is_same_host;
}

}  // namespace

std::string Server::open_listeners() {
    const conf::ListenSettings& listen = config_->listen;
    const net::ListenOptions options{
        listen.backlog, listen.unix_socket_mode, listen.unix_socket_group};
    const auto on_accept = [this](net::Fd fd) { accept(std::move(fd)); };
    std::vector<net::Fd>& inherited = options_.sockets;
    for (const Endpoint& endpoint : listen.addresses) {
        const auto found =
            std::find_if(inherited.begin(), inherited.end(), [&endpoint](const net::Fd& fd) {
                return fd.is_open() && serves(net::local_endpoint(fd.get()), endpoint);
            });
        if (found != inherited.end()) {
            add_listener(net::Listener::adopt(loop_, std::move(*found), on_accept));
            continue;
        }
        std::string problem;
        auto listener = net::Listener::open(loop_, endpoint, options, on_accept, problem);
        if (listener == nullptr) {
            return problem;
        }
        add_listener(std::move(listener));
    }
    for (net::Fd& fd : inherited) {
        if (fd.is_open()) {  // whoever opened it wants it served
            log::info("socket_not_in_addresses",
                      {{"address", net::local_endpoint(fd.get()).text()}});
            add_listener(net::Listener::adopt(loop_, std::move(fd), on_accept));
        }
    }
    inherited.clear();
    return {};
}

void Server::add_listener(std::unique_ptr<net::Listener> listener) {
    log::info("listening", {{"address", listener->endpoint().text()}});
    listeners_.push_back(std::move(listener));
}

}  // namespace weir::proxy
