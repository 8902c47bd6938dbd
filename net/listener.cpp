#include "net/listener.hpp"

#include "base/log.hpp"
#include "net/socket.hpp"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace weir::net {

namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kRestWhenFull{100};
/// The text of a group's entry, which names all its members.
constexpr std::size_t kGroupBytesMin = 1024;
constexpr std::size_t kGroupBytesMax = std::size_t{1024} * 1024;

bool is_out_of_descriptors(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

std::string problem_of(const Endpoint& endpoint, const char* doing) {
    return "cannot " + std::string{doing} + " " + endpoint.text() + ": " + error_text(errno);
}

bool is_file_socket(const Endpoint& endpoint) {
    return endpoint.kind == Endpoint::Kind::Unix && endpoint.path.front() != '@';
}

/// A socket file somebody left behind may go; one that answers, or anything that is not a socket,
/// may not.
bool remove_stale_socket(const Endpoint& endpoint, const SocketAddress& address) {
    struct stat info {};

    if (!is_file_socket(endpoint) || ::lstat(endpoint.path.c_str(), &info) != 0) {
        return true;
    }
    if (!S_ISSOCK(info.st_mode)) {
        errno = EEXIST;
        return false;
    }
    const Fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!probe.is_open()) {
        return false;
    }
    // Only a refusal proves that nobody is there: a full backlog, another type of socket or a
    // permission we lack does not.
    if (::connect(probe.get(), address.get(), address.length) == 0 || errno != ECONNREFUSED) {
        errno = EADDRINUSE;
        return false;
    }
    return ::unlink(endpoint.path.c_str()) == 0;
}

/// @return nothing, with errno set, when there is no such group
std::optional<gid_t> find_group(const std::string& name) {
    std::vector<char> text(kGroupBytesMin);

    struct group entry {};
    struct group* found = nullptr;
    int error = 0;
    while ((error = ::getgrnam_r(name.c_str(), &entry, text.data(), text.size(), &found)) ==
               ERANGE &&
           text.size() < kGroupBytesMax) {
        text.resize(text.size() * 2);
    }
    if (found == nullptr) {
        errno = error == 0 ? ENOENT : error;
        return std::nullopt;
    }
    return found->gr_gid;
}

/// @param group "" = as it is
/// @return false with errno set
bool give_to_group(const std::string& path, const std::string& group) {
    if (group.empty()) {
        return true;
    }
    constexpr uid_t kSameOwner = static_cast<uid_t>(-1);
    const auto id = find_group(group);
    return id && ::chown(path.c_str(), kSameOwner, *id) == 0;
}

Endpoint with_bound_port(Endpoint endpoint, int fd) {
    if (endpoint.kind == Endpoint::Kind::Tcp) {
        endpoint.port = static_cast<std::uint16_t>(local_name(fd).port);
    }
    return endpoint;
}

}  // namespace

std::unique_ptr<Listener> Listener::open(EventLoop& loop,
                                         const Endpoint& endpoint,
                                         const ListenOptions& options,
                                         OnAccept on_accept,
                                         std::string& problem) {
    Endpoint numeric = endpoint;
    if (numeric.host == "*" || numeric.host == "0.0.0.0") {
        numeric.host = "0.0.0.0";
    } else if (numeric.host == "localhost") {
        numeric.host = "127.0.0.1";
    }
    const auto address = numeric_address(numeric);
    if (!address) {
        problem = "cannot listen on " + endpoint.text() +
                  ": a numeric address, localhost, * or a unix socket path of at most " +
                  std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " characters is needed";
        return nullptr;
    }
    Fd fd{::socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!fd.is_open()) {
        problem = problem_of(endpoint, "open a socket for");
        return nullptr;
    }
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->storage.ss_family == AF_INET6) {
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (!remove_stale_socket(numeric, *address) ||
        ::bind(fd.get(), address->get(), address->length) != 0) {
        problem = problem_of(endpoint, "bind");
        return nullptr;
    }
    if (is_file_socket(numeric)) {
        if (!give_to_group(numeric.path, options.unix_socket_group)) {
            problem = "cannot give " + numeric.text() + " to the group \"" +
                      options.unix_socket_group + "\": " + error_text(errno);
            ::unlink(numeric.path.c_str());
            return nullptr;
        }
        ::chmod(numeric.path.c_str(), options.unix_socket_mode);
    }
    if (::listen(fd.get(), options.backlog) != 0) {
        problem = problem_of(endpoint, "listen on");
        return nullptr;
    }
    numeric = with_bound_port(std::move(numeric), fd.get());
    std::unique_ptr<Listener> listener{
        new Listener{loop, std::move(numeric), std::move(fd), std::move(on_accept)}};
    listener->start();
    return listener;
}

std::unique_ptr<Listener> Listener::adopt(EventLoop& loop, Fd fd, OnAccept on_accept) {
    Endpoint endpoint = local_endpoint(fd.get());
    std::unique_ptr<Listener> listener{
        new Listener{loop, std::move(endpoint), std::move(fd), std::move(on_accept)}};
    listener->is_file_ours_ = false;
    listener->start();
    return listener;
}

Listener::Listener(EventLoop& loop, Endpoint endpoint, Fd fd, OnAccept on_accept)
    : loop_{loop},
      endpoint_{std::move(endpoint)},
      fd_{std::move(fd)},
      on_accept_{std::move(on_accept)} {
    poll_ = UvBox<uv_poll_t>{
        [this](uv_poll_t* handle) { return uv_poll_init(loop_.raw(), handle, fd_.get()); }};
    WEIR_CHECK(poll_.init_error() == 0);
    poll_.set_owner(this);
}

Listener::~Listener() {
    poll_.close();
    fd_.reset();
    if (is_file_ours_ && is_file_socket(endpoint_)) {
        ::unlink(endpoint_.path.c_str());
    }
}

void Listener::start() {
    uv_poll_start(poll_.get(), UV_READABLE, &Listener::on_poll_trampoline);
}

void Listener::on_deadline(Deadline& /*deadline*/) {
    start();
}

void Listener::on_poll_trampoline(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
    if (auto* self = static_cast<Listener*>(UvBox<uv_poll_t>::owner_of(handle)); self != nullptr) {
        self->loop_.refresh_now();
        self->accept_some();
    }
}

void Listener::accept_some() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        Fd client{::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (client.is_open()) {
            on_accept_(std::move(client));
            continue;
        }
        if (is_out_of_descriptors(errno)) {
            log::error("accept_failed",
                       {{"address", endpoint_.text()}, {"reason", error_text(errno)}});
            uv_poll_stop(poll_.get());
            loop_.set_deadline(rest_, loop_.now() + kRestWhenFull);
            return;
        }
        if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

}  // namespace weir::net
