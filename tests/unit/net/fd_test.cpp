#include "net/fd.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace weir::net {
namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

int any_descriptor() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

TEST_SUITE("fd") {
    TEST_CASE("fd: an empty one is not open and may be reset") {
        Fd fd;
        CHECK(!fd.is_open());
        CHECK(fd.get() == -1);
        fd.reset();
        CHECK(fd.release() == -1);
    }

    TEST_CASE("fd: closes when it goes away") {
        const int number = any_descriptor();
        {
            const Fd fd{number};
            CHECK(fd.is_open());
            CHECK(fd.get() == number);
            CHECK(is_open(number));
        }
        CHECK(!is_open(number));
    }

    TEST_CASE("fd: moving hands the descriptor on and closes the one it replaces") {
        const int first = any_descriptor();
        const int second = any_descriptor();
        Fd a{first};
        Fd b{second};
        a = std::move(b);
        CHECK(!is_open(first));
        CHECK(is_open(second));
        CHECK(a.get() == second);
        CHECK(!b.is_open());  // NOLINT(bugprone-use-after-move): the subject of this test
        const Fd c{std::move(a)};
        CHECK(c.get() == second);
        CHECK(!a.is_open());  // NOLINT(bugprone-use-after-move)
        CHECK(is_open(second));
    }

    TEST_CASE("fd: moving one onto itself changes nothing") {
        Fd fd{any_descriptor()};
        Fd& same = fd;
        fd = std::move(same);
        CHECK(fd.is_open());
        CHECK(is_open(fd.get()));
    }

    TEST_CASE("fd: what is released is the caller's to close") {
        Fd fd{any_descriptor()};
        const int number = fd.release();
        CHECK(!fd.is_open());
        CHECK(is_open(number));
        ::close(number);
    }
}

}  // namespace
}  // namespace weir::net
