#include "tests/support/worker_support.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>

namespace weir::proxy {
namespace {

using test::ClientEnd;
using test::ScriptedConsole;
using test::WorkerFixture;

constexpr std::size_t kSmall = 10;
constexpr std::chrono::milliseconds kShortly{20};

TEST_SUITE("console session") {
    TEST_CASE("console session: each wait of one query has its own deadline") {
        std::atomic<int> waits = 3;
        WorkerFixture worker{{[](ScriptedConsole& console) { console.wait_for(kShortly); },
                              [&waits](ScriptedConsole& console) {
                                  if (--waits > 0) {
                                      console.wait_for(kShortly);
                                  } else {
                                      console.answer(kSmall);
                                      console.wait_no_longer();
                                  }
                              }}};
        ClientEnd client{worker.connect()};
        client.query();
        CHECK(client.hears('Z', 2));
        CHECK(waits.load() == 0);
    }

    TEST_CASE("console session: a client that does not read is answered no further") {
        constexpr int kQueries = 200;
        constexpr std::size_t kAnswer = WorkerFixture::kClientBuffer / 2;
        std::atomic<int> answers = 0;
        WorkerFixture worker{{[&answers](ScriptedConsole& console) {
                                  ++answers;  // first: the client may hear it at once
                                  console.answer(kAnswer);
                              },
                              {}}};
        ClientEnd client{worker.connect()};
        for (int i = 0; i < kQueries; ++i) {
            client.query();
        }
        worker.settle();
        CHECK(answers.load() < kQueries / 2);  // what the kernel takes, and the client's buffer
        CHECK(client.hears('Z', 1 + kQueries));
        CHECK(answers.load() == kQueries);
    }

    TEST_CASE("console session: a client that broke the protocol is told and sent away") {
        WorkerFixture worker{{[](const ScriptedConsole& console) { console.answer(kSmall); }, {}}};
        ClientEnd client{worker.connect()};
        client.query();
        CHECK(client.hears('Z', 2));
        ByteWriter password;
        protocol::write_password(password, "late");
        client.say(password);
        CHECK(client.hears_the_end());
    }
}

}  // namespace
}  // namespace weir::proxy
