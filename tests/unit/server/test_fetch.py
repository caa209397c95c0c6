import ipaddress

import pytest

from praxino.errors import UserError
from praxino.server.fetch import check_url, is_public


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local, cloud metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.2.0/24", "documentation"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarks"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    ],
)
def test_special_networks_are_not_public(network, why):
    """RFC 6890 and its successors, alone and inside of IPv6."""
    block = ipaddress.ip_network(network)
    for address in (block[0], block[1], block[block.num_addresses // 2], block[-1]):
        assert not is_public(str(address)), why
        number = int(address)
        for inside in (
            ipaddress.IPv6Address(0xFFFF << 32 | number),
            ipaddress.IPv6Address(0x2002 << 112 | number << 80),
            ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number),
            ipaddress.IPv6Address(int(ipaddress.IPv6Address("2001::")) | (number ^ 0xFFFFFFFF)),
            ipaddress.IPv6Address(number),
        ):
            assert not is_public(str(inside)), (why, inside)


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "100::1", "5f00::1"],
)
def test_special_ipv6_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_the_internet_is(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "https://example.com:8443/a?b=c#d", "http://[2606:4700::1]/", "http://bücher.example/ä"],
)
def test_plain_addresses(url):
    check_url(url, "image")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//example.com/x",
        "http:example.com",
        "javascript:alert(1)",
        "http://u@example.com",
        "http://:p@x.example",
        "unix:///run/x",
    ],
)
def test_others_are_refused(url):
    with pytest.raises(UserError, match="the thing"):
        check_url(url, "the thing")
