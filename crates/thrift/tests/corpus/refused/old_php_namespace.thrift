php_namespace a
