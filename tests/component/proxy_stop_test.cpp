#include "tests/support/worker_support.hpp"

#include <doctest/doctest.h>

#include <future>
#include <optional>
#include <utility>

namespace weir::proxy {
namespace {

using test::ScriptedConsole;
using test::WorkerFixture;

TEST_SUITE("worker stop") {
    TEST_CASE("worker stop: a client that hangs up on its last words is closed once") {
        constexpr std::size_t kMoreThanFits = std::size_t{4} * 1024 * 1024;
        std::promise<void> answered;
        std::promise<void> is_held_up;
        std::promise<void> gone;
        WorkerFixture worker{{[&answered](const ScriptedConsole& console) {
                                  console.answer(kMoreThanFits);
                                  answered.set_value();
                              },
                              {}}};
        std::optional<net::Fd> client{worker.connect()};
        ByteWriter query;
        protocol::write_query(query, "");
        test::tell(*client, as_text(query.bytes()));
        answered.get_future().wait();
        worker.post([&](Worker&) {
            is_held_up.set_value();
            gone.get_future().wait();
        });
        is_held_up.get_future().wait();
        worker.stop();
        client.reset();  // seen only after the worker's loop has ended
        gone.set_value();
    }
}

}  // namespace
}  // namespace weir::proxy
