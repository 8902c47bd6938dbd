#include "admin/webhooks.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weir::admin {

using namespace std::chrono_literals;

namespace {

constexpr const char* kFine = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
constexpr const char* kTrouble =
    "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops";
constexpr const char* kMoved =
    "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Takes one request after the other, and answers each with the next of its answers; the last one
/// is for all that come then. An empty one: none, until the client has gone.
class Hook {
public:
    explicit Hook(std::vector<std::string> answers)
        : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}, answers_{std::move(answers)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(fd_, 16) == 0);
        REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        origin_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
        thread_ = std::thread{[this] { serve(); }};
    }

    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;
    Hook(Hook&&) = delete;
    Hook& operator=(Hook&&) = delete;

    ~Hook() {
        ::shutdown(fd_, SHUT_RDWR);
        thread_.join();
        ::close(fd_);
    }

    [[nodiscard]] const std::string& origin() const { return origin_; }

    [[nodiscard]] std::vector<std::string> requests() const {
        const std::lock_guard lock{mutex_};
        return requests_;
    }

private:
    void serve() {
        for (std::size_t i = 0;; ++i) {
            const int client = ::accept(fd_, nullptr, nullptr);
            if (client < 0) {
                return;
            }
            const std::string& answer = answers_[std::min(i, answers_.size() - 1)];
            answer_one(client, answer);
            ::close(client);
        }
    }

    void answer_one(int client, const std::string& answer) {
        std::string request;
        std::array<char, 4096> bytes{};
        while (!request.ends_with('}')) {
            const ssize_t count = ::recv(client, bytes.data(), bytes.size(), 0);
            if (count <= 0) {
                break;
            }
            request.append(bytes.data(), static_cast<std::size_t>(count));
        }
        {
            const std::lock_guard lock{mutex_};
            requests_.push_back(std::move(request));
        }
        if (answer.empty()) {
            static_cast<void>(::recv(client, bytes.data(), bytes.size(), 0));
        } else {
            ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
        }
    }

    int fd_;
    std::vector<std::string> answers_;
    std::string origin_;
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    std::thread thread_;
};

void wait_until(const std::function<bool()>& is_so) {
    for (int i = 0; i < 3000 && !is_so(); ++i) {
        std::this_thread::sleep_for(10ms);
    }
    REQUIRE(is_so());
}

Webhook message(const std::string& origin, const std::string& path = "/hook") {
    return {"full", origin + path, origin, "{\"a\": 1}", std::make_shared<WebhookOutcome>()};
}

constexpr Webhooks::Limits kQuick{.deadline = 600ms, .tries = 3, .pause = 10ms, .queue = 4};

}  // namespace

TEST_SUITE("webhooks") {
    TEST_CASE("webhooks: a message is posted as JSON, once when it is taken") {
        const Hook hook{{kFine}};
        Webhooks webhooks{{.deadline = 5s, .tries = 3, .pause = 10ms, .queue = 4}};
        const Webhook sent = message(hook.origin(), "/hook?key=1");
        webhooks.post(sent);
        wait_until([&] { return webhooks.counts().delivered == 1; });
        wait_until([&] { return sent.outcome->get() == "delivered"; });
        REQUIRE(hook.requests().size() == 1);
        const std::string request = hook.requests()[0];
        CHECK(request.starts_with("POST /hook?key=1 HTTP/1.1\r\n"));
        CHECK(request.find("Content-Type: application/json\r\n") != std::string::npos);
        CHECK(request.ends_with("\r\n\r\n{\"a\": 1}"));
        CHECK(webhooks.counts().failed == 0);
    }

    TEST_CASE("webhooks: who fails is tried again, and given up after the last try") {
        const Hook fails_once{{kTrouble, kFine}};
        const Hook fails{{kTrouble}};
        Webhooks webhooks{{.deadline = 5s, .tries = 3, .pause = 10ms, .queue = 4}};
        const Webhook first = message(fails_once.origin());
        const Webhook second = message(fails.origin());
        webhooks.post(first);
        webhooks.post(second);
        wait_until([&] { return second.outcome->get() == "failed: HTTP status 500"; });
        CHECK(first.outcome->get() == "delivered");
        CHECK(fails_once.requests().size() == 2);
        CHECK(fails.requests().size() == 3);
        CHECK(webhooks.counts().delivered == 1);
        CHECK(webhooks.counts().failed == 1);
    }

    TEST_CASE("webhooks: redirects are not followed, and other protocols not spoken") {
        const Hook hook{{kMoved}};
        Webhooks webhooks{kQuick};
        const Webhook moved = message(hook.origin());
        webhooks.post(moved);
        wait_until([&] { return moved.outcome->get() == "failed: HTTP status 302"; });
        for (const std::string& request : hook.requests()) {
            CHECK(request.starts_with("POST /hook "));
        }
        const Webhook file = message("file:///etc/passwd", "");
        webhooks.post(file);
        wait_until([&] { return file.outcome->get() == "failed: Unsupported protocol"; });
    }

    TEST_CASE(
        "webhooks: who hangs, refuses or has no name is given up in time, and others follow") {
        const Hook hangs{{""}};
        const Hook fine{{kFine}};
        Webhooks webhooks{kQuick};
        const Webhook hung = message(hangs.origin());
        const Webhook refused = message("http://127.0.0.1:1");
        const Webhook nameless = message("http://no-such-host.invalid");
        const Webhook after = message(fine.origin());
        const auto began = std::chrono::steady_clock::now();
        for (const Webhook& one : {hung, refused, nameless, after}) {
            webhooks.post(one);
        }
        wait_until([&] { return after.outcome->get() == "delivered"; });
        CHECK(std::chrono::steady_clock::now() - began < 20s);
        CHECK(hung.outcome->get() == "failed: Timeout was reached");
        CHECK(hangs.requests().size() == 3);
        CHECK(refused.outcome->get() == "failed: Couldn't connect to server");
        CHECK(nameless.outcome->get().starts_with("failed: "));
        CHECK(webhooks.counts().failed == 3);
    }

    TEST_CASE("webhooks: what finds the queue full is dropped and counted") {
        const Hook hangs{{""}};
        Webhooks webhooks{{.deadline = 60s, .tries = 3, .pause = 60s, .queue = 2}};
        webhooks.post(message(hangs.origin()));
        wait_until([&] { return hangs.requests().size() == 1; });  // it waits no more
        const Webhook second = message(hangs.origin());
        const Webhook fourth = message(hangs.origin());
        webhooks.post(second);
        webhooks.post(message(hangs.origin()));
        webhooks.post(fourth);
        CHECK(second.outcome->get() == "waits");
        CHECK(fourth.outcome->get() == "dropped: too many wait");
        CHECK(webhooks.counts().dropped == 1);
    }

    TEST_CASE("webhooks: the end waits neither for who hangs, nor for a pause, nor for a thread") {
        const auto began = std::chrono::steady_clock::now();
        {
            const Hook hangs{{""}};
            Webhooks webhooks{{.deadline = 60s, .tries = 3, .pause = 60s, .queue = 2}};
            webhooks.post(message(hangs.origin()));
            wait_until([&] { return hangs.requests().size() == 1; });
        }
        {
            const Hook fails{{kTrouble}};
            Webhooks webhooks{{.deadline = 60s, .tries = 3, .pause = 60s, .queue = 2}};
            const Webhook sent = message(fails.origin());
            webhooks.post(sent);
            wait_until([&] { return sent.outcome->get().starts_with("is tried again"); });
        }
        for (int i = 0; i < 20; ++i) {
            Webhooks webhooks{kQuick};
            webhooks.post(message("http://127.0.0.1:1"));
        }
        const Webhooks unused;
        CHECK(std::chrono::steady_clock::now() - began < 20s);
    }
}

}  // namespace weir::admin
