"""Settings of the tests that no one of them makes."""

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")  # How fast a machine is that runs other tests beside, says nothing.
