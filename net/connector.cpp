#include "net/connector.hpp"

#include <netdb.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace weir::net {

namespace {

/// Names with more addresses than this are tried as far as this.
constexpr std::size_t kAddressesMax = 16;

}  // namespace

struct Connector::Lookup {
    uv_getaddrinfo_t request{};
    Connector* owner = nullptr;
};

Connector::Connector(EventLoop& loop, const Endpoint& endpoint, TimePoint due, OnDone on_done)
    : loop_{loop}, on_done_{std::move(on_done)} {
    loop_.set_deadline(deadline_, due);
    if (const auto address = numeric_address(endpoint); address) {
        addresses_.push_back(*address);
        try_next();
    } else if (endpoint.kind == Endpoint::Kind::Tcp) {
        resolve(endpoint);
    } else {
        last_error_ = ENAMETOOLONG;
        loop_.set_deadline(deadline_, loop_.now());
    }
}

Connector::~Connector() {
    give_up();
}

void Connector::give_up() {
    if (lookup_ != nullptr) {
        lookup_->owner = nullptr;
        uv_cancel(reinterpret_cast<uv_req_t*>(&std::exchange(lookup_, nullptr)->request));
    }
    poll_.close();
    fd_.reset();
}

void Connector::resolve(const Endpoint& endpoint) {
    auto lookup = std::make_unique<Lookup>();
    lookup->owner = this;
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    const std::string port = std::to_string(endpoint.port);
    const int error = uv_getaddrinfo(loop_.raw(),
                                     &lookup->request,
                                     &Connector::on_resolved_trampoline,
                                     endpoint.host.c_str(),
                                     port.c_str(),
                                     &hints);
    if (error != 0) {
        last_error_ = -error;
        loop_.set_deadline(deadline_, loop_.now());
        return;
    }
    lookup->request.data = lookup.get();
    lookup_ = lookup.release();
}

void Connector::on_resolved_trampoline(uv_getaddrinfo_t* request,
                                       int status,
                                       addrinfo* found) noexcept {
    const std::unique_ptr<Lookup> lookup{static_cast<Lookup*>(request->data)};
    if (lookup->owner != nullptr) {
        lookup->owner->loop_.refresh_now();
        lookup->owner->lookup_ = nullptr;
        lookup->owner->on_resolved(status, found);
    }
    uv_freeaddrinfo(found);
}

void Connector::on_resolved(int status, const addrinfo* found) {
    for (const addrinfo* entry = found; status == 0 && entry != nullptr; entry = entry->ai_next) {
        if (addresses_.size() < kAddressesMax && entry->ai_addrlen <= sizeof(sockaddr_storage)) {
            SocketAddress address;
            std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
            address.length = entry->ai_addrlen;
            addresses_.push_back(address);
        }
    }
    if (addresses_.empty()) {
        finish(fail(ErrorCode::Network,
                    sqlstate::kCannotConnectNow,
                    "host name could not be resolved",
                    status));
        return;
    }
    try_next();
}

void Connector::try_next() {
    while (next_ < addresses_.size()) {
        const SocketAddress& address = addresses_[next_++];
        fd_ =
            Fd{::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        if (!fd_.is_open()) {
            last_error_ = errno;
            continue;
        }
        if (::connect(fd_.get(), address.get(), address.length) != 0 && errno != EINPROGRESS) {
            last_error_ = errno;
            continue;
        }
        poll_ = UvBox<uv_poll_t>{
            [this](uv_poll_t* handle) { return uv_poll_init(loop_.raw(), handle, fd_.get()); }};
        if (poll_.init_error() != 0) {
            last_error_ = -poll_.init_error();
            continue;
        }
        poll_.set_owner(this);
        uv_poll_start(poll_.get(), UV_WRITABLE, &Connector::on_poll_trampoline);
        return;
    }
    fd_.reset();
    loop_.set_deadline(deadline_, loop_.now());  // told in a later turn, as every result
}

void Connector::on_poll_trampoline(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
    if (auto* self = static_cast<Connector*>(UvBox<uv_poll_t>::owner_of(handle)); self != nullptr) {
        self->loop_.refresh_now();
        self->on_writable();
    }
}

void Connector::on_writable() {
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    poll_.close();
    if (error == 0) {
        finish(std::move(fd_));
        return;
    }
    last_error_ = error;
    fd_.reset();
    try_next();
}

void Connector::on_deadline(Deadline& /*deadline*/) {
    const bool is_still_trying = fd_.is_open() || lookup_ != nullptr;
    give_up();
    if (last_error_ != 0 && !is_still_trying) {
        finish(
            fail(ErrorCode::Network, sqlstate::kCannotConnectNow, "connect failed", last_error_));
    } else {
        finish(fail(ErrorCode::Timeout, sqlstate::kCannotConnectNow, "connect timed out"));
    }
}

void Connector::finish(Result<Fd> result) {
    deadline_.clear();
    OnDone done = std::exchange(on_done_, nullptr);
    if (done) {
        done(std::move(result));
    }
}

}  // namespace weir::net
