#include "admin/http_fetch.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace weir::admin {

namespace {

using namespace std::string_view_literals;

constexpr auto kHeadEnd = "\r\n\r\n"sv;
constexpr auto kLineEnd = "\r\n"sv;
constexpr auto kLength = "content-length:"sv;

struct FreeAddresses {
    void operator()(addrinfo* addresses) const { ::freeaddrinfo(addresses); }
};

using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

std::string text_of(int error) {
    return std::generic_category().message(error);
}

/// A TCP connection on which everything together has to be over at one moment.
class Connection {
public:
    Connection(TimePoint deadline, Duration limit) : deadline_{deadline}, limit_{limit} {}

    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    Connection(Connection&&) = delete;
    Connection& operator=(Connection&&) = delete;

    ~Connection() { close(); }

    [[nodiscard]] bool open(const addrinfo& address);
    [[nodiscard]] bool send(std::string_view text);
    /// @return how many bytes, 0 = the peer has closed; nothing after a problem
    [[nodiscard]] std::optional<std::size_t> receive(char* to, std::size_t room);

    [[nodiscard]] const std::string& problem() const { return problem_; }

private:
    [[nodiscard]] bool wait_for(short events);
    void close();

    int fd_ = -1;
    TimePoint deadline_;
    Duration limit_;
    std::string problem_;
};

void Connection::close() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

bool Connection::wait_for(short events) {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
        pollfd polled{fd_, events, 0};
        const int count =
            left.count() <= 0 ? 0 : ::poll(&polled, 1, static_cast<int>(left.count()));
        if (count > 0) {
            return true;
        }
        if (count == 0) {
            const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(limit_);
            problem_ = "no whole answer within " + std::to_string(limit.count()) + " ms";
            return false;
        }
        if (errno != EINTR) {
            problem_ = text_of(errno);
            return false;
        }
    }
}

bool Connection::open(const addrinfo& address) {
    close();
    problem_.clear();
    fd_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
        problem_ = text_of(errno);
        return false;
    }
    if (::connect(fd_, address.ai_addr, address.ai_addrlen) == 0) {
        return true;
    }
    int error = errno;
    if (error == EINPROGRESS) {
        if (!wait_for(POLLOUT)) {
            return false;
        }
        socklen_t size = sizeof(error);
        ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    problem_ = error == 0 ? "" : text_of(error);
    return error == 0;
}

bool Connection::send(std::string_view text) {
    while (!text.empty()) {
        if (!wait_for(POLLOUT)) {
            return false;
        }
        const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            text.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno != EAGAIN && errno != EINTR) {
            problem_ = text_of(errno);
            return false;
        }
    }
    return true;
}

std::optional<std::size_t> Connection::receive(char* to, std::size_t room) {
    while (wait_for(POLLIN)) {
        const ssize_t got = ::recv(fd_, to, room, 0);
        if (got >= 0) {
            return static_cast<std::size_t>(got);
        }
        if (errno != EAGAIN && errno != EINTR) {
            problem_ = text_of(errno);
            break;
        }
    }
    return std::nullopt;
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} ? std::optional{number} : std::nullopt;
}

bool starts_with_word(std::string_view line, std::string_view lower) {
    return line.size() >= lower.size() &&
           std::equal(lower.begin(), lower.end(), line.begin(), [](char want, char is) {
               return want == (is >= 'A' && is <= 'Z' ? static_cast<char>(is - 'A' + 'a') : is);
           });
}

/// What the head of an answer says.
struct Head {
    std::size_t size = 0;  ///< with the empty line
    std::optional<int> status;
    std::optional<std::size_t> length;  ///< of the body; empty: it ends with the connection
};

/// @return nothing where it is not all there yet
std::optional<Head> head_of(std::string_view answer) {
    const std::size_t end = answer.find(kHeadEnd);
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    Head head;
    head.size = end + kHeadEnd.size();
    std::string_view lines = answer.substr(0, end + kLineEnd.size());
    if (lines.starts_with("HTTP/1.")) {
        head.status = number_in<int>(lines.substr(std::min(lines.find(' '), lines.size())));
    }
    while (!lines.empty()) {
        if (starts_with_word(lines, kLength)) {
            head.length = number_in<std::size_t>(lines.substr(kLength.size()));
        }
        lines.remove_prefix(lines.find(kLineEnd) + kLineEnd.size());
    }
    return head;
}

HttpReply failed(std::string problem) {
    return {0, {}, std::move(problem)};
}

HttpReply receive_reply(Connection& connection) {
    constexpr std::size_t kPiece = 65536;
    std::string piece(kPiece, '\0');
    std::string answer;
    std::optional<Head> head;
    const auto is_whole = [&] {
        return head && head->length && answer.size() - head->size >= *head->length;
    };
    while (!is_whole()) {
        const auto got = connection.receive(piece.data(), piece.size());
        if (!got) {
            return failed(connection.problem());
        }
        if (*got == 0) {
            break;
        }
        answer.append(piece, 0, *got);
        if (answer.size() > kAnswerBytesMax) {
            return failed("its answer has more than " + std::to_string(kAnswerBytesMax) + " bytes");
        }
        head = head ? head : head_of(answer);
    }
    if (!head || !head->status) {
        return failed(head ? "answered with no HTTP" : "closed the connection without an answer");
    }
    std::string body = answer.substr(head->size);
    if (body.size() < head->length.value_or(0)) {
        return failed("its answer ended after " + std::to_string(body.size()) + " of " +
                      std::to_string(*head->length) + " bytes");
    }
    return {*head->status, std::move(body), {}};
}

/// @param problem is set where there are none
Addresses look_up(const Endpoint& server, std::string& problem) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(server.port);
    if (const int error = ::getaddrinfo(server.host.c_str(), port.c_str(), &hints, &found);
        error != 0) {
        problem = ::gai_strerror(error);
        return {};
    }
    return Addresses{found};
}

}  // namespace

HttpReply http_get(const Endpoint& server,
                   const std::string& path,
                   const std::string& headers,
                   Duration limit) {
    std::string problem;
    const Addresses addresses = look_up(server, problem);
    Connection connection{Clock::now() + limit, limit};
    bool is_open = false;
    for (const addrinfo* one = addresses.get(); one != nullptr && !is_open; one = one->ai_next) {
        is_open = connection.open(*one);
        problem = connection.problem();
    }
    if (!is_open) {
        return failed(problem);
    }
    // By version 1.0 nobody answers in chunks.
    const std::string request =
        "GET " + path + " HTTP/1.0\r\nHost: " + server.text() + "\r\n" + headers + "\r\n";
    return connection.send(request) ? receive_reply(connection) : failed(connection.problem());
}

}  // namespace weir::admin
