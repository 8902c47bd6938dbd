#include "tests/support/worker_support.hpp"

#include <doctest/doctest.h>

namespace weir::proxy {
namespace {

using test::ClientEnd;
using test::ScriptedConsole;
using test::WorkerFixture;

constexpr std::size_t kSmall = 10;

TEST_SUITE("console session") {
    TEST_CASE("console session: a client that broke the protocol is told and sent away") {
        WorkerFixture worker{{[](ScriptedConsole& console) { console.answer(kSmall); }, {}}};
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
