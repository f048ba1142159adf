"""Volumes: folders that outlive the containers that use them. Below ``containers``, which asks for them when it starts one."""
